"""Plain `dvc repro` on a wrong params.yaml: the first stage says so, and nothing else runs."""

import pytest

import clones
import small

WRONG = {
    "a name that runs a program": ("grid", "models", ["vit", "$(touch PWNED)"]),
    "a name that ends a command": ("grid", "models", ["vit", "a; touch PWNED"]),
    "a name that is an option": ("grid", "models", ["--help"]),
    "a path with quotes": ("evalset", "images", "x'; touch PWNED; '"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory, archives):
    folder = tmp_path_factory.mktemp("first") / "project"
    small.set_up(folder, clones.params({"vit": archives["vit"]}))
    clones.done(folder, "dvc", "init", "--no-scm", "--quiet")
    return folder


@pytest.mark.parametrize(("section", "key", "value"), WRONG.values(), ids=WRONG)
def test_nothing_from_params_is_ever_run(project, archives, section, key, value):
    content = clones.params({"vit": archives["vit"]})
    content[section][key] = value
    small.write_params(project, content)
    ended = clones.run(project, "dvc", "repro", "--keep-going")
    assert ended.returncode != 0
    assert clones.ran(ended.stdout) == {"pins"}
    (error,) = (line for line in ended.stdout.splitlines() if line.startswith("error: "))
    assert error.startswith(f"error: params.yaml: {section}.{key}")
    assert not (project / "PWNED").exists()
    assert not (project / "data").exists()
