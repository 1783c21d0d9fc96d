import json

import pytest

from bench import old_cpu
from bench.records import read
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


def test_the_page_is_of_the_records():
    page = old_cpu.RECORDS.with_suffix(".md").read_text("utf-8")
    assert page == old_cpu.markdown(json.loads(old_cpu.RECORDS.read_text("utf-8")))


def test_what_docs_say_of_an_older_cpu():
    """All but int8's products are the same there; the eighth bit gains here and breaks there."""
    files = {}
    for one in read(old_cpu.RECORDS):
        files.setdefault((one["model"], one["tower"]), {})[one["encoding"]] = one
    assert len(files) == 4
    for encodings in files.values():
        seven, eight = encodings["int8-dynamic"], encodings[old_cpu.FULL]
        assert 2.5 < eight["here"]["snr_db"] - seven["here"]["snr_db"] < 4.5
        assert 10.5 < seven["there"]["snr_db"] - eight["there"]["snr_db"] < 17.5
        for name, one in encodings.items():
            if name != old_cpu.FULL:
                assert one["there"]["cosine"] == pytest.approx(one["here"]["cosine"], abs=1e-4)
