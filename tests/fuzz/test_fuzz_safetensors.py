"""Mutated safetensors, and the JSON beside them: loaded, or refused in a line."""

import json
import random
import struct

import pytest
from safetensors.torch import save

import budget
import door
from door import flipped

DTYPES = ["F64", "BF16", "I64", "BOOL", "F8_E4M3", "F4", "C64", "F99", "", None, 3]
VALUES = [None, True, -1, 0, 2**63, 2**64, 1e308, "", "\x1b[1m\n", [], {}, [[1]], {"a": {}}]
TOWER = {
    "hidden_size": 64,
    "num_attention_heads": 1,
    "num_hidden_layers": 1,
    "intermediate_size": 256,
}
CONFIG = {
    "model_type": "clip",
    "vision_config": TOWER | {"image_size": 32, "patch_size": 16},
    "text_config": TOWER | {"vocab_size": door.WORDS, "eos_token_id": 2},
}
OPEN_CLIP = {
    "model_cfg": {
        "quick_gelu": True,
        "vision_cfg": {"width": 64, "layers": 1, "image_size": 32, "pool_type": "tok"},
        "text_cfg": {"width": 64, "layers": 1, "heads": 1, "hf_tokenizer_name": ""},
    }
}


@pytest.fixture(scope="module")
def content():
    return save(door.state_dict())


@pytest.fixture(autouse=True)
def bounded():
    with door.bounded():
        yield


def with_header(content, change):
    """The file with another header, whose length is right."""
    length = struct.unpack("<Q", content[:8])[0]
    header = change(content[8 : 8 + length])
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def rewritten(header, rng):
    """A header of JSON in which some entries say something else."""
    entries = json.loads(header)
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(entries))
        entry = entries[name]
        kind = rng.randrange(5)
        if kind == 0:
            entry["dtype"] = rng.choice(DTYPES)
        elif kind == 1:
            entry["shape"] = rng.choice([*VALUES, [2**40, 2**40], [0], [-1], entry["shape"][::-1]])
        elif kind == 2:
            entry["data_offsets"] = rng.choice([*VALUES, [0, 2**60], [5, 3]])
        elif kind == 3:
            entries[rng.choice(["", "\x1b[1m", "__metadata__", f"{name}.x"])] = entry
        else:
            entries[name] = rng.choice(VALUES)
        entries = {name: entry for name, entry in entries.items() if isinstance(entry, dict)}
    return json.dumps(entries).encode()


def test_mutated_headers(content, tmp_path):
    def mutated(rng):
        kind = rng.randrange(3)
        if kind == 0:
            return with_header(content, lambda header: flipped(header, rng))
        if kind == 1:
            return with_header(content, lambda header: rewritten(header, rng))
        return flipped(content[: rng.choice([4, 9, 100, len(content)])], rng)

    loaded = []
    for rng in budget.rounds(random.Random):
        (tmp_path / "model.safetensors").write_bytes(mutated(rng))
        loaded.append(door.loads(tmp_path))
    print(f"{len(loaded)} mutated safetensors, {sum(loaded)} loaded")
    assert not all(loaded)


def disturbed(value, rng):
    """JSON in which one value, at any depth, is another one."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        return value | {name: disturbed(value[name], rng)}
    return rng.choice([*VALUES, value])


def test_disturbed_configurations(content, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(content)
    files = {"config.json": CONFIG, "open_clip_config.json": OPEN_CLIP}
    files |= {"tokenizer_config.json": {"do_lower_case": True}, "vocab.json": {}}
    loaded = []
    for rng in budget.rounds(random.Random):
        for name, right in files.items():
            text = json.dumps(disturbed(right, rng) if rng.random() < 0.4 else right).encode()
            (tmp_path / name).write_bytes(flipped(text, rng) if rng.random() < 0.05 else text)
        loaded.append(door.loads(tmp_path, None))
    print(f"{len(loaded)} configurations, {sum(loaded)} loaded")
    assert any(loaded) and not all(loaded)


def test_disturbed_indexes(content, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(content)
    names = list(json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]]))
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "a.safetensors")}
    places = ["a.safetensors", "../a", "/etc/passwd", ".", "", "b", "\x00", "a" * 300]
    loaded = []
    for rng in budget.rounds(random.Random):
        one = json.loads(json.dumps(index))
        one = disturbed(one, rng) if rng.random() < 0.5 else one
        where = one.get("weight_map") if isinstance(one, dict) else None
        if rng.random() < 0.7 and isinstance(where, dict):
            where[rng.choice([*names, "x"])] = rng.choice(places)
        text = json.dumps(one).encode()
        text = flipped(text, rng) if rng.random() < 0.1 else text
        (tmp_path / "model.safetensors.index.json").write_bytes(text)
        loaded.append(door.loads(tmp_path))
    print(f"{len(loaded)} indexes, {sum(loaded)} loaded")
    assert any(loaded) and not all(loaded)
