"""The documents against the project: commands are accepted, paths exist, links lead somewhere."""

import argparse
import ast
import functools
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dvc.cli.parser import get_main_parser
from dvc.repo import Repo

from clip_onnx import cli
from tools import real_figures

NAMES = ("README.md", "CHANGELOG.md", "THIRD_PARTY.md", "web/README.md")
PAGES = sorted(map(str, Path("docs").glob("*.md")))
DOCUMENTS = {name: Path(name).read_text("utf-8") for name in (*NAMES, *PAGES)}
TARGET = re.compile(r"`make ((?:[a-z][a-z-]*)+)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
TRACKED = subprocess.run(["git", "ls-files"], capture_output=True, text=True).stdout.split()
if not TRACKED:
    pytest.skip("git has no files here: clone the project", allow_module_level=True)
FOLDERS = {name.split("/")[0] for name in TRACKED if "/" in name}
each_document = pytest.mark.parametrize("name", DOCUMENTS)


def commands(text, language="sh"):
    """The command lines of a text's shell blocks, without comments, long ones joined."""
    for kind, block in FENCE.findall(text):
        if kind == language:
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while words and re.fullmatch(r"\w+=.*", words[0]):
                    words.pop(0)  # the environment of one command
                if words:
                    yield words


COMMANDS = [(name, words) for name, text in DOCUMENTS.items() for words in commands(text)]


def of_program(program):
    chosen = [(name, words[1:]) for name, words in COMMANDS if words[0] == program]
    return pytest.mark.parametrize(
        "words", [words for _, words in chosen], ids=[f"{n}: {' '.join(w)}" for n, w in chosen]
    )


@of_program("make")
def test_make_has_the_target_and_what_it_needs(words):
    done = subprocess.run(["make", "--dry-run", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@each_document
def test_every_target_that_is_named_exists(name):
    rules = "".join(Path(path).read_text("utf-8") for path in ("Makefile", ".github/github.mk"))
    targets = set(re.findall(r"^([a-z-]+):", rules, re.MULTILINE))
    assert set(TARGET.findall(DOCUMENTS[name])) <= targets


@of_program("dvc")
def test_dvc_takes_the_arguments(words):
    try:
        get_main_parser().parse_args(words)
    except SystemExit as refused:
        assert refused.code == 0, words


class Accepted(Exception):
    pass


def program(module):
    """The file that `python -m` runs."""
    path = Path(module.replace(".", "/"))
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


@of_program("python")
def test_the_program_takes_the_arguments(words, monkeypatch):
    """Modules are run up to where their command line has been read."""
    assert words[0] == "-m", "programs are modules"
    module, arguments = words[1], words[2:]
    if module == "pytest":
        paths = [Path(word) for word in arguments if "/" in word]
        assert paths and all(path.exists() for path in paths)
        return
    assert "ArgumentParser" in program(module).read_text("utf-8")
    parse = argparse.ArgumentParser.parse_args

    def read(self, *given):
        parse(self, *given)
        raise Accepted

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", read)
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(Accepted):
        runpy.run_module(module, run_name="__main__")


def run(folder, *line):
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_metrics_diff_prints_what_it_promises():
    """The command shown, against the last commit instead of a branch that a clone may lack."""
    words, *others = (words for _, words in COMMANDS if words[:3] == ["dvc", "metrics", "diff"])
    assert all(other == words for other in others)
    if subprocess.run(["git", "rev-parse", "--quiet", "--verify", "HEAD"]).returncode:
        pytest.skip("git has no commit here to compare with")
    run(".", sys.executable, "-m", *words[:-1], "HEAD")
    assert words[-1] == "main"


def test_make_help_has_a_line_for_every_target_that_a_shell_block_makes():
    listed = {line.split()[0] for line in run(".", "make", "help").splitlines()}
    named = {word for _, words in COMMANDS if words[0] == "make" for word in words[1:2]}
    assert {word for word in named if "=" not in word} <= listed


MEASURED = ("results", "runtimes")  # sections of what `make` and `make runtimes` build anew


def without(text, *names):
    for name in names:
        text = re.sub(f"<!-- {name} -->.*?<!-- end of {name} -->", "", text, flags=re.DOTALL)
    return text


def test_docs_mends_a_table_that_was_edited(tmp_path):
    """What was measured is judged by tests/test_readme.py: another kind of CPU moves its digits."""
    for name in TRACKED:
        if not name.startswith("data/tiny/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, tmp_path / name)
    run(tmp_path, "git", "init", "--quiet")  # DVC wants one
    program, name = [sys.executable, "-m", "tools.docs"], "docs/results.md"
    page = tmp_path / name
    page.write_text(DOCUMENTS[name].replace("| tiny-vit.visual.fp32 ", "| typed by hand "), "utf-8")
    done = subprocess.run([*program, "--check"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "make docs" in done.stderr) == (1, True)
    run(tmp_path, *program)
    mended = page.read_text("utf-8")
    assert (
        f"<!-- results -->\n{Path('metrics/table.md').read_text('utf-8').strip()}\n<!--" in mended
    )
    assert without(mended, *MEASURED) == without(DOCUMENTS[name], *MEASURED)


@each_document
def test_every_module_that_is_named_exists(name):
    named = re.findall(
        r"python -m ((?:stages|tools|bench|web|runtimes)(?:\.\w+)+)", DOCUMENTS[name]
    )
    assert not {one for one in named if not program(one).is_file()}


@of_program("clip-onnx")
def test_the_library_s_command_takes_the_arguments(words):
    cli.parsed(words)


def slugs(text):
    """The anchors that GitHub makes of a text's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@each_document
def test_every_link_leads_somewhere(name):
    for link in LINK.findall(FENCE.sub("", DOCUMENTS[name])):
        address, _, anchor = link.partition("#")
        if not address.startswith(("http://", "https://")):
            target = Path(name).parent / address if address else Path(name)
            assert target.exists(), link
            assert not anchor or anchor in slugs(target.read_text("utf-8")), link


def test_slugs_are_githubs():
    assert slugs("# Which file do I want?\n```sh\n# no heading\n```\n## A, `b`-c\n") == {
        "which-file-do-i-want",
        "a-b-c",
    }


def paths(text):
    """What stands in backticks and is a path of this project without a placeholder."""
    for quoted in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        if re.fullmatch(r"[\w.*/-]+", quoted) and not re.search(r"[A-Z]{4,}/|/[A-Z]{3,}", quoted):
            first, *rest = quoted.split("/")
            if (rest and first in FOLDERS) or quoted in TRACKED:
                yield quoted


@functools.cache
def made():
    """What stages make, and the folders of it."""
    outs = {Path(out.fs_path).relative_to(Path.cwd()) for out in Repo(".").index.outs}
    return {str(path) for out in outs for path in (out, *out.parents)}


def ignored(path):
    """Whether git leaves out a path of its own, outside data/, where `made` decides."""
    line = ["git", "check-ignore", "--quiet", path]
    return not path.startswith("data/") and subprocess.run(line).returncode == 0


@each_document
def test_every_path_that_is_named_exists(name):
    for path in paths(DOCUMENTS[name]):
        known = any(Path().glob(path)) or path.rstrip("/") in made() or ignored(path)
        known |= path == str(real_figures.FILE)  # which the first `make real` writes
        assert known, f"{name}: {path}"


def test_paths_are_told_from_placeholders():
    text = "`stages/gone.py` `data/models/MODEL` `a/b` `tests/` `dvc.yaml` `x.y` `stages/<verb>`"
    assert list(paths(text)) == ["stages/gone.py", "tests/", "dvc.yaml"]


def test_the_changelog_ends_at_todays_version():
    found = re.findall(r"^## \[(.+?)\]", DOCUMENTS["CHANGELOG.md"], re.MULTILINE)
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    assert found[:2] == ["Unreleased", project["version"]]


ALLOWED = {  # the table of docs/architecture.md
    "clip_onnx": {"clip_onnx"},
    "stages": {"clip_onnx", "stages"},
    "runtimes": {"clip_onnx", "stages", "runtimes"},
    "web": {"clip_onnx", "stages", "runtimes", "web"},
}


@pytest.mark.parametrize("folder", ALLOWED)
def test_folders_import_what_architecture_says(folder):
    files = [name for name in TRACKED if name.startswith(f"{folder}/") and name.endswith(".py")]
    for name in files:
        if "tests" in Path(name).parts:
            continue
        for node in ast.walk(ast.parse(Path(name).read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                first = node.module.split(".")[0]
                assert first not in FOLDERS or first in ALLOWED[folder], f"{name}: {node.module}"
