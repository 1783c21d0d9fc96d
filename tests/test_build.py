import sys

import pytest

from clip_onnx import command
from tools import build

REPRO = """'data/tiny/x.pt.dvc' didn't change, skipping
Stage 'pins' didn't change, skipping
Running stage 'download@vit':
> python -m stages.download vit
Updating lock file 'dvc.lock'

Stage 'reference@vit' is cached - skipping run, checking out outputs
Running stage 'encode@vit-int8w':
> python -m stages.encode int8w
"""


def test_a_line_a_stage_that_ran_says_its_place_and_its_seconds():
    said, ticks = [], iter([0.0, 4.2, 10.0, 13.0])
    progress = build.Progress(9, clock=lambda: next(ticks), write=said.append)
    for line in REPRO.splitlines():
        progress.see(line)
    assert said == ["[2/9] download vit  4 s"]
    progress.finish()
    assert said[1:] == ["[4/9] encode vit-int8w  3 s"]


@pytest.mark.parametrize("worst", [0.98, None])
def test_the_summary_has_two_lines_a_model_that_fit_a_terminal(worst):
    files = {
        "pytorch": {"cosine_min": 1.0},
        "fp32": {"cosine_min": 1.0, "size_mb": 1681.2},
        "int4w": {"cosine_min": worst, "size_mb": 212.34},
    }
    parity = {"vit-l-14-336": {"visual": files, "textual": files}}
    lines = list(build.summary(parity, "data/bundles/vit-l-14-336"))
    assert len(lines) == 2 + 3
    assert "2 files, 212.34 to 1681.20 MB, worst" in lines[0] and f"{worst} int4w" in lines[0]
    assert all(len(line) <= build.COLUMNS for line in lines)


FULL = """
import sys
print("Running stage 'pins':", flush=True)
print("ERROR: failed to transfer 'md5: 0123'", file=sys.stderr)
"""


@pytest.fixture
def pretended(monkeypatch, tmp_path):
    """Lets `repro` run a program instead of DVC; the log goes to a folder of the test."""
    monkeypatch.setattr(build, "LOG", tmp_path / "make.log")

    def pretend(program):
        real = build.logged
        line = [sys.executable, "-c", program]
        monkeypatch.setattr(build, "logged", lambda _, see: real(line, see))

    return pretend


def test_an_output_that_the_cache_cannot_take_is_a_failure(pretended):
    pretended(FULL)
    with pytest.raises(command.Refusal, match="cache could not take an output, .*dvc commit"):
        build.repro([])
    assert "md5: 0123" in build.LOG.read_text("utf-8")


def test_a_stage_that_fails_gives_its_status(pretended):
    pretended("import sys; print('no'); sys.exit(3)")
    assert build.repro([]) == 3
