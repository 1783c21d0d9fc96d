import pytest

from bench import old_cpu
from clip_onnx import command


def test_without_an_emulator_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(old_cpu.shutil, "which", lambda name: None)
    with pytest.raises(command.Refusal, match="install Debian's qemu-user-static"):
        old_cpu.emulator()


def test_an_emulator_is_given_the_files_and_gives_their_figures(tmp_path, monkeypatch):
    fake = tmp_path / "qemu"
    fake.write_text(
        '#!/bin/sh\ntest "$2" = Haswell && echo "[{\\"cosine\\": 1, \\"snr_db\\": 9}]"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setattr(old_cpu, "emulator", lambda: str(fake))
    place = ("tiny-vit", "visual", "data/models", 1)
    assert old_cpu.emulated("Haswell", [place]) == [{"cosine": 1, "snr_db": 9}]
    with pytest.raises(command.Refusal, match="qemu"):
        old_cpu.emulated("Another", [place])
