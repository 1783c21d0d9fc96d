"""Mutated params.yaml: whatever stands in it, it is read or refused in a line."""

import random
from pathlib import Path

import yaml

from clip_onnx import command
from clip_onnx.settings import params

import budget

TEXT = Path("params.yaml").read_bytes()
PIECES = [
    b"'",
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b"\n",
    b": ",
    b"- ",
    b"&a ",
    b"*a",
    b"!!",
    b"<<: ",
    b"~",
]
PIECES += [
    b"\xff",
    b"\x00",
    b"\t",
    b"|",
    b">",
    b"?",
    b"1e9",
    b".nan",
    b"-1",
    b"9" * 5000,
    b"2026-02-30",
]
VALUES = [
    None,
    True,
    -1,
    0,
    2**70,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "\x1b[31m",
    "a\nb",
    [],
    {},
]
VALUES += [
    "$(touch PWN)",
    "x'; touch PWN; '",
    "--help",
    [None],
    [[]],
    {"": None},
    {1: 2},
    "\ud800",
    b"x",
]


def broken_bytes(rng):
    """The file with a few of its bytes replaced, doubled, dropped or put in."""
    text = bytearray(TEXT)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(text))
        piece = rng.choice([*PIECES, bytes([rng.randrange(256)]), text[place : place + 40]])
        text[place : place + rng.choice([0, 1, 5, 200])] = piece
    return bytes(text)


def broken_values(rng):
    """The file with a value, a key or an entry replaced by another."""
    content = yaml.safe_load(TEXT)
    for _ in range(rng.randint(1, 3)):
        node = content
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and rng.random() < 0.8:
                node = node[key]
                continue
            change(rng, node, key)
            break
    return yaml.dump(content, allow_unicode=True).encode("utf-8", "surrogatepass")


def change(rng, node, key):
    value = rng.choice(VALUES)
    if rng.random() < 0.2:
        del node[key]
    elif isinstance(node, dict) and rng.random() < 0.3:
        node[rng.choice(["", "x", 5, None, "a.b", "--help", "\n"])] = node.pop(key)
    elif isinstance(node, list) and rng.random() < 0.3:
        node.append(node[key])
    else:
        node[key] = value


def test_a_mutated_file_is_read_or_refused_in_a_line(tmp_path):
    path, refused = tmp_path / "params.yaml", 0
    for rng in budget.rounds(random.Random):
        path.write_bytes(rng.choice([broken_bytes, broken_values])(rng))
        try:
            params.load(path)
        except command.Refusal as refusal:
            assert command.one_line(refusal)
            refused += 1
    assert refused > 0
