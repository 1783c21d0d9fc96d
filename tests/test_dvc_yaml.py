"""dvc.yaml against the code: DVC never looks at imports, so this does."""

import ast
import contextlib
import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from clip_onnx.settings import params
from stages.pins.packages import groups
from tools import stale

import small

# What the library offers is loaded when a user asks; the others' say what an interruption is.
SHAPELESS_FILES = {Path(f"{name}/__init__.py") for name in ("clip_onnx", "stages", "runtimes")}
OTHER_PYTHONS = {Path("runtimes/litert_run.py")}  # run, not imported
TORCH_STAGES = {"download", "reference", "calibrate", "export", "sensitivity", "evaluate.pytorch"}
MEASURING = {"check", "encode"}  # for noise, and for the scheme mixed, when they need it
MOST_STAGES = 96
PINS = groups(Path("requirements.in").read_text("utf-8"))
SHIPPED = ["tiny-vit", "tiny-rn"]
OURS = {"clip_onnx", "stages", "runtimes"}
# Packages that read settings, show progress or count threads, and shape no output.
SHAPELESS = {"packaging", "pydantic", "threadpoolctl", "tqdm", "yaml"}
# The module's name where it is not the package's.
PACKAGES = {
    "PIL": "pillow",
    "clip": "openai-clip",
    "onnx_ir": "onnx-ir",
    "open_clip": "open-clip-torch",
    "onnxconverter_common": "onnxconverter-common",
    "skimage": "scikit-image",
}


@functools.cache
def every():
    """Every stage of dvc.yaml and of runtimes/dvc.yaml that runs a module, matrices expanded."""
    return [stage for stage in Repo(".").index.stages if module(stage)]


def pipeline():
    return [stage for stage in Repo(".").index.stages if stale.of_pipeline(stage)]


def stages():
    """Those of dvc.yaml: the pipeline."""
    return [stage for stage in every() if module(stage).startswith("stages.")]


def foreign():
    """Those of runtimes/dvc.yaml."""
    return [stage for stage in every() if module(stage).startswith("runtimes.")]


def command(stage):
    """What a stage runs, the lines of a list as one text."""
    return "\n".join(stage.cmd) if isinstance(stage.cmd, list) else stage.cmd or ""


def module(stage):
    """The one module that a stage runs, on one tower or on both."""
    found = set(re.findall(r"python -m ((?:stages|runtimes)\.[\w.]+)", command(stage)))
    assert len(found) <= 1, stage.addressing
    return found.pop() if found else None


def imports(path):
    """Dotted names that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def sources(name):
    """The files of a module: of a package that finds its modules by itself, these too."""
    path = Path(name.replace(".", "/"))
    if not path.is_dir():
        return [path.with_suffix(".py")]
    own = path / "__init__.py"
    found = "pkgutil" in own.read_text("utf-8") if own.exists() else False
    return [own, *(path.glob("*.py") if found else [])]


def program(entry):
    """The file that `python -m` runs."""
    path = Path(entry.replace(".", "/"))
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def closure(entry):
    """The project's files that a program imports, itself included."""
    seen, stack = set(), [program(entry)]
    while stack:
        path = stack.pop()
        if path.exists() and path not in seen:
            seen.add(path)
            stack += [parent / "__init__.py" for parent in path.parents if parent != Path(".")]
            for name in imports(path):
                stack += sources(name) if name.split(".")[0] in OURS else []
    return {path for path in seen if says_more_than_what_it_is(path)} - SHAPELESS_FILES


@functools.cache
def says_more_than_what_it_is(path):
    return any(not isinstance(node, ast.Expr) for node in ast.parse(path.read_text("utf-8")).body)


@functools.cache
def packages(entry):
    """The third-party packages that a module's closure imports."""
    names = {name.split(".")[0] for path in closure(entry) for name in imports(path)}
    outside = names - OURS - SHAPELESS - set(sys.stdlib_module_names)
    return {PACKAGES.get(name, name) for name in outside}


def is_code(path):
    return path.suffix == ".py" or any(path.glob("*.py"))


def test_every_stage_depends_on_the_code_it_imports():
    for stage in every():
        declared = {Path(dep.def_path) for dep in stage.deps}
        missing = {path for path in closure(module(stage)) if not declared & {path, *path.parents}}
        assert not missing, f"{stage.addressing}: add to deps: {sorted(map(str, missing))}"


def test_every_stage_depends_on_no_code_that_it_does_not_import():
    for stage in every():
        declared = {Path(dep.def_path) for dep in stage.deps}
        code = {
            path for path in declared if path.parts[0] in OURS and is_code(path)
        } - OTHER_PYTHONS
        used = closure(module(stage))
        surplus = {path for path in code if not any(u == path or path in u.parents for u in used)}
        assert not surplus, f"{stage.addressing}: drop from deps: {sorted(map(str, surplus))}"


def pins(stage):
    """The packages of the groups of data/pins.json that a stage names."""
    groups = {key for dep in stage.deps if "pins.json" in dep.def_path for key in dep.params}
    return {name for group in groups for name in PINS[group]}


def test_every_stage_pins_the_packages_that_shape_its_bytes():
    pinned = {stage.addressing: pins(stage) for stage in stages()}
    for stage in stages():
        if module(stage) == "stages.pins":
            continue
        missing = packages(module(stage)) - pinned[stage.addressing]
        assert not missing, f"{stage.addressing}: add to data/pins.json's params: {sorted(missing)}"


def test_every_path_of_a_stage_stands_in_its_command():
    for stage in stages():
        data = [dep.def_path for dep in stage.deps if dep.def_path.startswith("data/")]
        for path in {*data, *(out.def_path for out in stage.outs)} - {"data/pins.json"}:
            assert path in command(stage), f"{stage.addressing}: {path}"


def test_few_stages_import_torch():
    modules = {module(stage) for stage in stages()}
    importing = {name for name in modules if "torch" in packages(name)}
    assert importing == {f"stages.{name}" for name in TORCH_STAGES | MEASURING}
    loading = {f"stages.{name}" for name in TORCH_STAGES}
    others = sorted(modules - loading)
    imported = ", ".join(f"{name}.__main__" for name in others)
    line = f"import sys, {imported}, clip_onnx.verify; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_figures_of_git_are_in_sight_of_the_report_and_dvc_compares_those_of_files_alone():
    (report,) = [stage for stage in stages() if module(stage) == "stages.report"]
    assert all(out.persist and not out.use_cache for out in report.outs)
    assert "metrics/controls.json" in {out.def_path for out in report.outs}
    assert yaml.safe_load(Path("dvc.yaml").read_text("utf-8"))["metrics"] == ["metrics/parity.json"]


def test_the_shipped_models_expand_to_few_stages():
    """More models of one's own are slower: DVC's lock costs the square of the stages' number."""
    if params.load().grid.models == SHIPPED:
        assert len(stages()) <= MOST_STAGES


def stale_in(folder):
    """The stages of dvc.yaml in a project folder that would run again; it need not hold data."""
    with contextlib.chdir(folder):
        return {
            stage.addressing for stage in stale.stale(stale.opened()) if stale.of_pipeline(stage)
        }


def test_the_lock_has_the_stages_there_are_and_no_others():
    content = yaml.safe_load(Path("dvc.lock").read_text("utf-8"))
    assert content["stages"].keys() == {stage.name for stage in pipeline()}


def test_dvc_lock_matches_the_tree():
    assert stale_in(".") == set()


@pytest.fixture
def project(tmp_path):
    """(folder of a copy without data, its params.yaml's content)."""
    for name in (*small.CODE, "data/tiny"):
        shutil.copytree(name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*small.PROJECT_FILES, "dvc.lock", "data/pins.json"):
        shutil.copyfile(name, tmp_path / name)
    content = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    small.write_params(tmp_path, content)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=tmp_path)
    return tmp_path, content


@pytest.mark.parametrize("model", ["vit-b-32", "rn50"])
def test_a_new_model_reruns_no_stage_of_another(project, model):
    folder, content = project
    before = stale_in(folder)
    content["grid"]["models"].append(model)
    content["floors"][model] = {}
    if model == "rn50":
        content["grid"]["resnets"].append(model)
    small.write_params(folder, content)
    again = stale_in(folder) - before
    assert f"bundle@{model}" in again
    assert {name for name in again if model not in name} <= {"report"}


def test_another_models_floor_reruns_no_bundle(project):
    folder, content = project
    before = stale_in(folder)
    content["floors"]["tiny-rn"]["visual"]["fp32"]["snr_db"] -= 1
    small.write_params(folder, content)
    assert stale_in(folder) - before == {"bundle@tiny-rn"}


def test_what_is_half_written_is_nothing_to_dvc():
    assert "*.partial" in Path(".dvcignore").read_text("utf-8").splitlines()


def test_a_new_encoding_is_a_line_that_runs_its_own_stages_alone(project):
    tmp_path, content = project
    before = stale_in(tmp_path)
    content["encodings"]["int3w"] = {"scheme": "weight_only", "bits": 3, "block": 16}
    content["grid"]["encodings"]["plain"].append("int3w")
    small.write_params(tmp_path, content)
    again = stale_in(tmp_path) - before
    models = content["grid"]["models"]
    # These read all of a model's files.
    gathering = {"report", *(f"{stage}@{m}" for stage in ("bundle",) for m in models)}
    assert {name for name in again - gathering if not name.endswith("-int3w")} == set()
    added = {name for name in again if name.endswith("-int3w")}
    assert len(added) == 2 * len(models)  # a quantize, an evaluate


def test_what_dvc_restores_is_no_hard_link():
    """onnx_ir refuses external data that has a second name in the cache, and a stage's mistake
    would reach the cache."""
    assert "hardlink" not in Repo(".").config["cache"]["type"]
