import pytest

from clip_onnx import command
from tools import upgrade

PACKAGES = ("torch", "torchvision", "onnx")
REQUIREMENTS = """\
dvc==3.67.1
torch==2.0.0  # see README
torchvision==0.9
openai-clip==1.0.1
onnx
"""
LOCK = """\
onnx==9.9
torch==2.1.0
torchvision==0.10 ; sys_platform == 'linux'
dvc==4.0
"""


def test_only_what_shapes_the_files_may_move():
    free = upgrade.unpinned(REQUIREMENTS, PACKAGES)
    assert free.splitlines()[1:3] == ["torch  # see README", "torchvision"]
    assert "dvc==3.67.1" in free and "openai-clip==1.0.1" in free


def test_exact_versions_are_written_anew_and_open_ones_stay_open():
    text = upgrade.pinned(REQUIREMENTS, PACKAGES, LOCK)
    assert text == REQUIREMENTS.replace("2.0.0", "2.1.0").replace("==0.9", "==0.10")


@pytest.mark.parametrize("program", ["no-such-program", "false"])
def test_a_resolver_that_fails_is_one_line(program):
    with pytest.raises(command.Refusal, match=f"^{program}: |^{program} is missing"):
        upgrade.run(program)
