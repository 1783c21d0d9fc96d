"""The examples and figures of README and docs/; those of metrics/ within what other CPUs move."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from clip_onnx.host import layout
from clip_onnx.settings import params
from tools import matrix

import committed

README, USE = Path("README.md").read_text("utf-8"), Path("docs/use.md").read_text("utf-8")
CHANGE = Path("docs/change.md").read_text("utf-8")
PAGES = README + "".join(page.read_text("utf-8") for page in sorted(Path("docs").glob("*.md")))


@pytest.mark.parametrize("page", [README, USE], ids=["README", "use"])
def test_the_example_runs_without_torch_and_gets_it_right(page):
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    program += "\nimport sys\nassert 'torch' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "large red circle" in result.stdout.splitlines()[-1], result.stderr


def test_the_suffix_table_is_the_codes():
    for encoding, suffix in layout.SUFFIXES.items():
        shown = f"`{suffix}`" if suffix else "none"
        assert f"| `{encoding}` | {shown} |" in USE


def section(name):
    """What `make docs` puts between two markers."""
    (text,) = re.findall(f"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", PAGES, re.DOTALL)
    return text


def test_the_results_are_those_of_the_metrics():
    shown = section("results")
    committed.judge("metrics/table.md", lambda text: [] if text.strip() == shown else [shown])


def test_the_table_of_runtimes_is_that_of_the_metrics():
    shown, grid = section("runtimes"), params.load().grid

    def complaints(text):
        return [] if matrix.table(json.loads(text), grid) == shown else [shown]

    committed.judge("metrics/runtimes.json", complaints)


def test_the_review_shown_starts_from_todays_metrics():
    row = re.compile(r"^(\S+)\.(\S+)\.(\S+)\.(\w+) +(\S+) +\S+ +\S+$", re.MULTILINE)
    brief, rows = row.findall(README), row.findall(CHANGE)
    assert len(rows) >= 12 and brief == rows[: len(brief)] != []

    def complaints(text):
        parity = json.loads(text)
        for model, graph, variant, metric, value in rows:
            # Another kind of CPU moves the last digits; an older metric would be further away.
            margin = {"snr_db": 0.3, "top1_agreement": 0.02, "accuracy": 0.02}.get(metric, 5e-6)
            today = parity[model][graph][variant][metric]
            if today != pytest.approx(float(value), abs=margin):
                yield f"{model}.{graph}.{variant}.{metric} is {today}, not {value}"

    committed.judge("metrics/parity.json", complaints)


def test_the_number_of_stages_is_todays():
    stages = [s for s in Repo(".").index.stages if not s.addressing.startswith("runtimes/")]
    assert f"of the {len(stages)} stages" in CHANGE


def test_the_comment_shown_starts_from_todays_metrics():
    rows = re.findall(r"^\| `(\S+)\.(\S+)\.(\S+)` +\| ([\d.]+) → .*$", CHANGE, re.MULTILINE)
    assert len(rows) >= 4

    def complaints(text):
        parity = json.loads(text)
        for model, graph, variant, millionths in rows:
            distance = (1 - parity[model][graph][variant]["cosine_min"]) * 1e6
            # Another kind of CPU moves the last digits.
            if distance != pytest.approx(float(millionths), abs=5):
                yield f"{model}.{graph}.{variant} is at {distance:.1f}, not {millionths}"

    committed.judge("metrics/parity.json", complaints)
