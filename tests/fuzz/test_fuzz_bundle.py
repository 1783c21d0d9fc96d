"""Mutated JSON of a bundle: whatever stands in it, it is taken or refused in a line."""

import json
import random

import pytest

from clip_onnx import command, verify
from clip_onnx.bundle import Bundle

import budget

FILES = ("golden.json", "preprocessor_config.json")
VALUES = [None, True, -1, 0, 2**70, 1e308, "", "../x", "/etc/passwd", "a\nb", "\x1b[31m", [], {}]
VALUES += [[None], {"": 0}, "x" * 5000, "AAAA", [[1.0]], 0.5, "visual", "a.b.c"]
RAW = [b"NaN", b"Infinity", b"]", b"}", b'"', b"\xff", b"\x00", b"1e999", b"[" * 2000, b"\\ud800"]


@pytest.fixture(scope="module")
def folder(bundled, tmp_path_factory):
    """A bundle's small files; what is in onnx/ is not opened."""
    here, bundle = tmp_path_factory.mktemp("bundle"), bundled / "data/bundles/vit"
    for name in (*FILES, "tokenizer.json"):
        (here / name).write_bytes((bundle / name).read_bytes())
    return here


def changed(rng, content):
    """JSON with a value, a key or an entry replaced, or a few of its bytes."""
    if rng.random() < 0.3:
        text = bytearray(json.dumps(content).encode())
        place = rng.randrange(len(text))
        text[place : place + rng.choice([0, 1, 20, 5000])] = rng.choice(RAW)
        return bytes(text)
    content = json.loads(json.dumps(content))
    node = content
    while True:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = rng.choice(list(keys))
        if not (isinstance(node[key], dict | list) and node[key] and rng.random() < 0.7):
            break
        node = node[key]
    if rng.random() < 0.3:
        del node[key]
    elif isinstance(node, dict) and rng.random() < 0.2:
        node[rng.choice(["", "..", "../x", "x"])] = node.pop(key)
    else:
        node[key] = rng.choice(VALUES)
    return json.dumps(content).encode()


def test_mutated_json_is_taken_or_refused_in_a_line(folder):
    whole = {name: json.loads((folder / name).read_text()) for name in FILES}
    refused = 0
    for rng in budget.rounds(random.Random):
        name = rng.choice([FILES[0], FILES[0], FILES[1]])
        (folder / name).write_bytes(changed(rng, whole[name]))
        for read in (verify.read, Bundle):
            try:
                read(folder)
            except command.Refusal as refusal:
                assert command.one_line(refusal)
                refused += 1
        (folder / name).write_text(json.dumps(whole[name]))
    assert refused > 0
