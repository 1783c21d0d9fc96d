"""What the workflows ask of GitHub, by a stand-in for its program and a repository beside."""

import os
import shutil
import subprocess

import pytest

# Lists hold what lies in the file `open`; every other call is kept.
GH = """#!/usr/bin/env python3
import pathlib, sys
here = pathlib.Path(__file__).parent
if sys.argv[2] == "list":
    print((here / "open").read_text(), end="")
else:
    with open(here / "calls", "a") as calls:
        print(*sys.argv[1:], sep="|", file=calls)
"""


@pytest.fixture
def github(tmp_path):
    """github(target, …): what `make` says in a clone; its `calls` are those of gh."""
    program, clone = tmp_path / "bin", tmp_path / "clone"
    program.mkdir()
    (program / "gh").write_text(GH, "utf-8")
    (program / "gh").chmod(0o755)
    (program / "open").write_text("", "utf-8")
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin")
    git(tmp_path, "clone", "--quiet", "origin", "clone")
    (clone / ".github").mkdir()
    for name in ("Makefile", ".github/github.mk"):
        shutil.copyfile(name, clone / name)
    (clone / ".gitignore").write_text("/build/\n", "utf-8")
    (clone / "lock").write_text("torch==1\n", "utf-8")
    git(clone, "switch", "--quiet", "--create", "main")
    git(clone, "add", "--all")
    git(clone, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "--message=x")
    git(clone, "push", "--quiet", "origin", "main")

    def make(*arguments):
        path = {"PATH": f"{program}{os.pathsep}{os.environ['PATH']}"}
        path |= {"GITHUB_OUTPUT": str(program / "output")}
        line = ["make", "--no-print-directory", *arguments]
        done = subprocess.run(
            line, cwd=clone, env=os.environ | path, capture_output=True, text=True
        )
        assert not done.returncode, done.stdout + done.stderr
        calls = program / "calls"
        return calls.read_text("utf-8").splitlines() if calls.exists() else []

    make.clone, make.program = clone, program
    return make


def git(folder, *arguments):
    line = ["git", *arguments]
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_an_issue_is_opened_once_and_added_to_after(github):
    given = ("issue", "TITLE=A rerun differs", "BODY=build/rerun.md")
    opened = github(*given)
    assert opened == ["issue|create|--title|A rerun differs|--body-file|build/rerun.md"]
    (github.program / "open").write_text("7\n", "utf-8")
    assert github(*given)[1:] == ["issue|comment|7|--body-file|build/rerun.md"]


def test_a_change_travels_as_a_patch_and_becomes_a_pull_request(github):
    lock = github.clone / "lock"
    github("patch")
    assert (github.program / "output").read_text("utf-8") == "changed=false\n"
    lock.write_text("torch==2\n", "utf-8")
    github("patch")
    assert (github.program / "output").read_text("utf-8").endswith("changed=true\n")
    git(github.clone, "restore", "lock")
    github("apply")
    assert lock.read_text("utf-8") == "torch==2\n"
    git(github.clone, "restore", "lock")
    given = ("propose", "TITLE=Newest", "BODY=build/comment.md", "BRANCH=new")
    text = "--title|Newest|--body-file|build/comment.md"
    assert github(*given) == [f"pr|create|--head|new|{text}"]
    origin = github.clone.parent / "origin"
    assert git(origin, "show", "new:lock") == "torch==2\n"
    assert git(origin, "log", "--format=%an %s", "main..new") == "github-actions[bot] Newest\n"


def test_a_new_file_travels_too(github):
    new = github.clone / "metrics/openai.json"
    new.parent.mkdir()
    new.write_text("{}\n", "utf-8")
    github("patch")
    assert (github.program / "output").read_text("utf-8") == "changed=true\n"
    git(github.clone, "reset", "--quiet")
    new.unlink()
    github("propose", "TITLE=Figures", "BODY=x", "BRANCH=new")
    assert git(github.clone.parent / "origin", "show", "new:metrics/openai.json") == "{}\n"


def test_a_second_proposal_takes_the_place_of_the_first(github):
    given = ("propose", "TITLE=Newest", "BODY=x", "BRANCH=new")
    for version in (2, 3):
        git(github.clone, "switch", "--quiet", "main")
        (github.clone / "lock").write_text(f"torch=={version}\n", "utf-8")
        github("patch")
        git(github.clone, "restore", "lock")
        calls = github(*given)
        (github.program / "open").write_text("9\n", "utf-8")
    assert calls[1] == "pr|edit|9|--title|Newest|--body-file|x"
    origin = github.clone.parent / "origin"
    assert git(origin, "show", "new:lock") == "torch==3\n"
    assert git(origin, "rev-list", "--count", "main..new") == "1\n"
