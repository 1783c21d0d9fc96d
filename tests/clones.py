"""Projects of small models under git and DVC, and their clones: what a team works in."""

import os
import shutil
import subprocess
import sys

import small

TEN_CAPTIONS = "".join(f"a drawing of {number} words\n" for number in range(10))
PERSON = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]


def environment(folder, **variables):
    """Programs of this Python, settings and credentials of the test alone."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DVC_", "RAY_"))}
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    own = {"HOME": str(folder.parent), "DVC_SITE_CACHE_DIR": str(folder.parent / "site")}
    return kept | own | {"PATH": path} | variables


def run(folder, *line, **variables):
    """A program in a folder: its output, both kinds together, in `stdout`."""
    given = {"cwd": folder, "env": environment(folder, **variables), "text": True}
    return subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **given)


def done(folder, *line, **variables):
    """`run`, which must succeed: what the program said."""
    result = run(folder, *line, **variables)
    assert result.returncode == 0, result.stdout
    return result.stdout


def params(archives):
    """params.yaml's content that takes the least time: few inputs, two encodings."""
    content = small.params(archives)
    content["evalset"] |= {"crops": 0, "captions": "captions.txt"}
    content["grid"] |= {"resnets": []}
    content["grid"]["encodings"] = {"plain": ["fp32", "int8w"]}
    content["grid"]["encodings"] |= {"by_sensitivity": [], "resnets": []}
    content["bundle"]["encodings"] = ["fp32", "int8w"]
    return content


def project(folder, content, remote, *settings):
    """A repository with everything that `dvc repro` and `tools.fanout` need, nothing run yet.

    `settings` are (name, value) of the default remote.
    """
    small.set_up(folder, content)
    under_git(folder)
    done(folder, "dvc", "remote", "add", "--default", "shared", str(remote))
    for name, value in settings:
        done(folder, "dvc", "remote", "modify", "shared", name, value)
    commit(folder)
    return folder


def under_git(folder):
    """A folder of small.set_up with all that `tools` need, committed."""
    for name in ("tools", "bench"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(small.ROOT / name, folder / name, ignore=ignored)
    shutil.copyfile(small.ROOT / ".gitignore", folder / ".gitignore")
    (folder / "captions.txt").write_text(TEN_CAPTIONS, "utf-8")
    done(folder, "git", "init", "--quiet")
    done(folder, "dvc", "init", "--quiet")
    shutil.copyfile(small.ROOT / ".dvc/config", folder / ".dvc/config")
    commit(folder)
    return folder


def commit(folder):
    done(folder, "git", "add", "--all")
    done(folder, "git", *PERSON, "commit", "--quiet", "--message", "A state to share")


def clone(source, target):
    """A clone with an empty cache of its own."""
    done(source, "git", "clone", "--quiet", ".", str(target))
    return target


def ran(said):
    """The stages that `dvc repro` says it ran."""
    lines = [line for line in said.splitlines() if line.startswith("Running stage '")]
    return {line.split("'")[1] for line in lines}


def files(folder):
    """{path: sha256} of what a pipeline makes, dvc.lock included."""
    made = [folder / "dvc.lock", *(folder / "data").rglob("*"), *(folder / "metrics").rglob("*")]
    return {p.relative_to(folder).as_posix(): small.sha256(p) for p in made if p.is_file()}
