import errno
import os
import signal
import subprocess
import sys

import pytest
from dvc.exceptions import NotDvcRepoError

from clip_onnx import command


def test_output_appears_only_when_its_block_succeeds(tmp_path):
    target = tmp_path / "folder" / "out"
    with pytest.raises(RuntimeError), command.output(target) as partial:
        (partial / "half").write_text("x", "utf-8")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    with command.output(target) as partial:
        (partial / "whole").write_text("x", "utf-8")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_output_replaces_what_a_killed_run_left(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "rest").write_text("x", "utf-8")
    with command.output(tmp_path / "out") as partial:
        (partial / "new").write_text("x", "utf-8")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert not (tmp_path / "out.partial").exists()


def test_run_prints_one_line_and_exits_1(capsys):
    def main():
        raise command.Refusal("x.pt is no checkpoint: fetch it again")

    with pytest.raises(SystemExit) as stop:
        command.run(main)
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: x.pt is no checkpoint: fetch it again\n"


def said(main, capsys):
    """(what a main that fails prints, its exit status)."""
    with pytest.raises(SystemExit) as stop:
        command.run(main)
    return capsys.readouterr().err, stop.value.code


def raising(error):
    def main():
        raise error

    return main


def test_a_message_is_one_line_of_printable_characters(capsys):
    text, _ = said(raising(command.Refusal("a\x1b[31m red\nname\u202e " + "x" * 5000)), capsys)
    assert text.startswith("error: a [31m red name xxx")
    assert text.endswith("x…\n") and len(text) < 1100


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EISDIR])
def test_what_the_system_refuses_is_named_with_its_reason_and_a_remedy(number, capsys):
    text, status = said(raising(OSError(number, os.strerror(number), "data/x")), capsys)
    assert (text, status) == (
        f"error: data/x: {os.strerror(number)}: {command.REMEDIES[number]}\n",
        1,
    )


LIMITED = """
import resource, sys
import numpy as np
from safetensors.numpy import save_file
from clip_onnx import command
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
def main():
    with command.output(sys.argv[1]) as folder:
        save = {"safetensors": save_file, "numpy": lambda x, path: np.save(path, x["x"])}
        save[sys.argv[2]]({"x": np.zeros(1000)}, folder / "x.npy")
command.run(main)
"""


@pytest.mark.parametrize("library", ["safetensors", "numpy"])
def test_a_library_that_cannot_write_names_the_output(library, tmp_path):
    line = [sys.executable, "-c", LIMITED, str(tmp_path / "out"), library]
    ended = subprocess.run(line, stderr=subprocess.PIPE, text=True)
    assert ended.stderr.startswith(f"error: {tmp_path}/out: ")
    assert "Errno" not in ended.stderr
    assert ended.stderr.count("\n") == 1 and "Traceback" not in ended.stderr
    assert ended.returncode == 1
    assert not any(tmp_path.iterdir())


def test_a_full_disk_in_a_block_names_the_output(tmp_path, capsys):
    def main():
        with (
            command.output_file(tmp_path / "out"),
            open("/dev/full", "w", encoding="utf-8") as file,
        ):
            file.write("x")

    text, _ = said(main, capsys)
    assert text.startswith(f"error: {tmp_path}/out: No space left on device: ")


def test_an_interruption_is_one_line(capsys):
    text, status = said(raising(KeyboardInterrupt()), capsys)
    assert (text, status) == ("error: interrupted: nothing half-written is left\n", 130)


@pytest.mark.parametrize("package", ["stages", "tools", "bench", "web", "runtimes"])
def test_an_interruption_while_modules_are_loaded_is_one_line(package):
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # not so in the background
    stop = "os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
    code = f"import os, signal, time, {package}; {heard}; {stop}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "error: interrupted: nothing half-written is left\n"
    assert done.returncode == -signal.SIGINT


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (subprocess.CalledProcessError(3, ["git", "log"]), "git log failed (3): see what it pri"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate"), "not enough memory"),
        (RuntimeError("Failed to load: std::bad_alloc"), "not enough memory: give it more"),
        (NotDvcRepoError("you are not inside of a DVC repository"), "you are not inside of a DVC"),
    ],
)
def test_what_others_say_plainly_is_one_line(error, message, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit):
        command.run(main)
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        command.run(lambda: 1 / 0)


def test_output_replaces_nothing_but_an_output(tmp_path):
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter").write_text("x", "utf-8")
    with (
        pytest.raises(command.Refusal, match="documents holds 'letter'"),
        command.output(tmp_path / "documents") as partial,
    ):
        (partial / "model.onnx").write_text("x", "utf-8")
    with (
        pytest.raises(command.Refusal, match="documents is there and no file"),
        command.output_file(tmp_path / "documents"),
    ):
        pass
    with (
        pytest.raises(command.Refusal, match="letter is there and no folder"),
        command.output(tmp_path / "documents" / "letter"),
    ):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["documents", "letter"]
