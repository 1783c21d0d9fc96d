"""Broken and hostile files end in a line, before they take the memory that they ask for."""

import resource
import shutil
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from clip_onnx import command
from stages.download import containers, tensors


def refusal(path):
    with pytest.raises(command.Refusal) as caught:
        containers.read(path)
    assert str(caught.value) == command.one_line(caught.value)
    return str(caught.value)


def test_the_content_counts_and_not_the_name(tmp_path):
    state = {"a": torch.arange(3.0)}
    torch.save(state, tmp_path / "torch.safetensors")
    save_file(state, tmp_path / "pytorch_model.bin")
    for name in ("torch.safetensors", "pytorch_model.bin"):
        content, scripted = containers.read(tmp_path / name)
        assert torch.equal(content["a"], state["a"]) and not scripted


def packed(source, target, compression, content=None):
    """A zip of the same members, of which the tensors' numbers may be others."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            given = content if content and "/data/" in name else old.read(name)
            new.writestr(name, given)


def test_a_zip_bomb_is_refused_by_what_it_declares(tmp_path):
    torch.save({"a": torch.zeros(4)}, tmp_path / "a.pt")
    packed(tmp_path / "a.pt", tmp_path / "bomb.pt", zipfile.ZIP_DEFLATED, bytes(300 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "would unpack to 31457" in refusal(tmp_path / "bomb.pt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10  # KiB


def test_tensors_that_share_their_numbers_are_more_than_the_file(tmp_path):
    torch.save({"a": torch.zeros(1).expand(1 << 40)}, tmp_path / "a.pt")
    state, _ = containers.read(tmp_path / "a.pt")
    with pytest.raises(command.Refusal, match="its tensors take 4398046511104: some share"):
        tensors.check_extent(state, "a.pt", (tmp_path / "a.pt").stat().st_size)


def test_a_flipped_byte_in_the_directory_of_a_zip(tmp_path):
    torch.save({"a": torch.zeros(4)}, tmp_path / "a.pt")
    content = (tmp_path / "a.pt").read_bytes()
    place = content.index(b"PK\x01\x02") + 2
    changed = content[:place] + b"\xff" + content[place + 1 :]
    (tmp_path / "a.pt").write_bytes(changed)
    assert "is a truncated or damaged zip: fetch it again" in refusal(tmp_path / "a.pt")


def test_a_pickle_of_nonsense(tmp_path):
    torch.save({"a": torch.zeros(4)}, tmp_path / "a.pt")
    shutil.copyfile(tmp_path / "a.pt", tmp_path / "b.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(tmp_path / "b.pt", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, b"\x80\x02h\x07." if name.endswith("data.pkl") else content)
    assert "cannot be loaded (it is damaged)" in refusal(tmp_path / "b.pt")


def test_a_text_is_no_checkpoint(tmp_path):
    (tmp_path / "model.safetensors.json").write_text('{"weight_map": {}}', "utf-8")
    assert "is a text and holds no weights" in refusal(tmp_path / "model.safetensors.json")
