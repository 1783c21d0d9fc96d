"""What docs/models.md says of checkpoints is what the code does and says."""

import re

import pytest

from clip_onnx.checkpoint import network
from clip_onnx.openai import definitions
from stages.download import (
    hugging_face,
    open_clip_fields,
    sources,
    tensors,
    tokenizer,
    wrappers,
)

import small

PAGE = (small.ROOT / "docs/models.md").read_text("utf-8")
CODE = [path.read_text("utf-8") for path in (small.ROOT / "stages/download").glob("*.py")]
CODE.append((small.ROOT / "clip_onnx/checkpoint/architecture.py").read_text("utf-8"))
# Literals over several lines are one text, and whatever is put into a message stands for itself.
SAID = re.sub(r'"\s*f?"', "", re.sub(r"\s+", " ", " ".join(CODE)))


def table(mark):
    """The cells of a table's rows, which a comment stands before."""
    lines = PAGE.split(f"<!-- {mark}:")[1].split("\n\n")[0].splitlines()[3:]
    assert len(lines) > 10
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("row", table("refused"), ids=lambda row: row[0][:40])
def test_what_is_said_is_in_a_message(row):
    for quoted in re.findall(r"`([^`]+)`", row[1]):
        for part in quoted.split("…"):
            assert part.strip(" ,") in SAID, part


def test_the_fields_that_are_named_have_rules():
    tables = [hugging_face.TOP, hugging_face.VISION, hugging_face.TEXT]
    tables += [open_clip_fields.TOP, open_clip_fields.VISION, open_clip_fields.TEXT]
    tables.append(tokenizer.CLIPS)
    known = {field for rules in tables for field in rules} | {"activation"}
    refused = table("refused")
    first = next(n for n, row in enumerate(refused) if row[0].startswith("an activation that"))
    named = {name for row in refused[first:] for name in re.findall(r"`([a-z_]+)`", row[0])}
    assert named <= known and len(named) > 20


def test_the_forms_that_are_taken_are_those_of_the_code():
    text = " ".join(" ".join(row) for row in table("taken"))
    for name in (*sources.IN_FOLDERS, *wrappers.KEYS, *(f"{name}." for name in wrappers.OUTER)):
        assert f"`{name}`" in text
    for dtype in (*tensors.KEPT, *tensors.CHANGED):
        short = {"float16": "fp16", "float32": "fp32"}
        name = str(dtype).removeprefix("torch.")
        assert short.get(name, name) in text


def test_the_families_are_those_of_the_code_with_the_fields_that_it_reads():
    lines = PAGE.split("<!-- families:")[1].split("\n\n")[0].splitlines()[3:]
    rows = {cells[1].strip(" `"): cells[3] for cells in (line.split("|") for line in lines)}
    assert rows.keys() == {network.OPENAI, *definitions.OF}
    built = {
        network.HUGGING_FACE: [hugging_face.VISION, hugging_face.TEXT],
        network.OPEN_CLIP: [open_clip_fields.TOP, open_clip_fields.VISION, open_clip_fields.TEXT],
    }
    for family, tables in built.items():
        read = {field for rules in tables for field, rule in rules.items() if rule.built}
        read |= {"intermediate_size"} if family == network.HUGGING_FACE else set()
        named = set(re.findall(r"`([a-z_]+)`", rows[family]))
        assert read == named - {*hugging_face.ACTIVATIONS.keys() - read, "eps"}
    assert {*hugging_face.ACTIVATIONS} <= set(re.findall(r"`(\w+)`", rows[network.HUGGING_FACE]))
