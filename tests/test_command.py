import pytest

from clip_onnx import command


def test_output_appears_only_when_its_block_succeeds(tmp_path):
    target = tmp_path / "folder" / "out"
    with pytest.raises(RuntimeError), command.output(target) as partial:
        (partial / "half").write_text("x")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    with command.output(target) as partial:
        (partial / "whole").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_output_replaces_what_a_killed_run_left(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "rest").write_text("x")
    with command.output(tmp_path / "out") as partial:
        (partial / "new").write_text("x")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert not (tmp_path / "out.partial").exists()


def test_run_prints_one_line_and_exits_1(capsys):
    def main():
        raise command.Refusal("x.pt is no checkpoint: fetch it again")

    with pytest.raises(SystemExit) as stop:
        command.run(main)
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: x.pt is no checkpoint: fetch it again\n"
