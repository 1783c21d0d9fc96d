"""Mutated JSON, for the fuzzers of files that programs write: other values, names and bytes."""

import copy
import json

VALUES = [None, True, -1, 0, 2**70, 1e308, 0.5, "", "../x", "/etc/passwd", "a\nb", "\x1b[31m"]
VALUES += [[], {}, [None], [[1.0]], {"": 0}, "x" * 5000, "AAAA", "visual", "a.b.c"]
NAMES = ["", "..", "../x", "x"]
RAW = [b"NaN", b"-Infinity", b"1e999", b"]", b"}", b'"', b"\xff", b"\x00", b"[" * 2000, b"\\ud800"]


def changed(rng, content, values=(), names=()):
    """The bytes of JSON with a value, a key or an entry replaced, or a few of its bytes.

    `values` and `names` are more of those that may be put in.
    """
    if rng.random() < 0.3 or not content:
        text = bytearray(json.dumps(content).encode())
        place = rng.randrange(len(text))
        text[place : place + rng.choice([0, 1, 20, 5000])] = rng.choice(RAW)
        return bytes(text)
    content = copy.deepcopy(content)
    node = content
    while True:
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        if not (isinstance(node[key], dict | list) and node[key] and rng.random() < 0.8):
            break
        node = node[key]
    if isinstance(node, dict) and rng.random() < 0.3:
        node[rng.choice([*NAMES, *names])] = node.pop(key)
    elif rng.random() < 0.2:
        del node[key]
    else:
        node[key] = copy.deepcopy(rng.choice([*VALUES, *values]))
    return json.dumps(content).encode()
