"""Mutated JSON of a bundle: whatever stands in it, it is taken or refused in a line."""

import json
import random

import pytest

from clip_onnx import command, verify
from clip_onnx.bundle import Bundle
from clip_onnx.host import machine

import budget
import json_mutations

FILES = ("golden.json", "preprocessor_config.json", "tokenizer_config.json", machine.FILE)


@pytest.fixture(scope="module")
def folder(bundled, tmp_path_factory):
    """A bundle's small files; what is in onnx/ is not opened."""
    here, bundle = tmp_path_factory.mktemp("bundle"), bundled / "data/bundles/vit"
    for name in ("tokenizer.json", *FILES[:-1]):
        (here / name).write_bytes((bundle / name).read_bytes())
    (here / machine.FILE).write_text(json.dumps(machine.here()), "utf-8")
    return here


def test_mutated_json_is_taken_or_refused_in_a_line(folder):
    whole = {name: json.loads((folder / name).read_text("utf-8")) for name in FILES}
    taken = refused = 0
    for rng in budget.rounds(random.Random):
        name = rng.choice([FILES[0], *FILES])
        (folder / name).write_bytes(json_mutations.changed(rng, whole[name]))
        for read in (verify.read, Bundle):
            try:
                read(folder)
                taken += 1
            except command.Refusal as refusal:
                assert command.one_line(refusal)
                refused += 1
        (folder / name).write_text(json.dumps(whole[name]), "utf-8")
    assert min(taken, refused) > 0
