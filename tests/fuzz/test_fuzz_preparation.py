"""Mutated files beside a checkpoint: what they ask of pictures is carried, or refused in a line."""

import copy
import json
import random

import numpy as np
from PIL import Image

from clip_onnx import command
from clip_onnx.host import pictures, preprocessor
from clip_onnx.host.preparation import OPENAI, described, description
from stages.download.preparation import beside

import budget

SIDE = 32
SQUARE = {"height": SIDE, "width": SIDE}
OPEN_CLIP = {"mean": [0.5] * 3, "std": 0.5, "interpolation": "bilinear", "resize_mode": "squash"}
FILES = {
    "preprocessor_config.json": preprocessor.written(SIDE),
    "processor_config.json": {"image_processor": preprocessor.written(SIDE)},
    "open_clip_config.json": {"preprocess_cfg": OPEN_CLIP | {"size": SIDE, "mode": "RGB"}},
}
VALUES = [None, True, False, 0, 1, 2, 3, -1, SIDE, 2**70, 10**400, 0.5, 1e-320, 1e308, "", "x\n"]
VALUES += [[], [0.5] * 3, [0.5] * 4, [[1]], {}, SQUARE, {"shortest_edge": SIDE}, {"height": None}]
VALUES += ["bicubic", "random", "longest", "\ud800", "\x1b[31m", [SIDE], "CLIPFeatureExtractor"]
RAW = [b"NaN", b"-Infinity", b"1e999", b"]", b"}", b'"', b"\xff", b"\x00", b"[" * 5000, b"9" * 5000]


def changed(rng, content):
    """JSON with one to three of its fields set otherwise, or a few of its bytes."""
    content = json.loads(json.dumps(content))
    for _ in range(rng.randint(1, 3)):
        node = content
        while isinstance(node, dict) and rng.random() < 0.9:
            name = rng.choice([*node, "do_pad", "crop_size"])
            if isinstance(node.get(name), dict) and node[name] and rng.random() < 0.8:
                node = node[name]
                continue
            node[name] = copy.deepcopy(rng.choice(VALUES))
            break
    text = bytearray(json.dumps(content).encode())
    if rng.random() < 0.2:
        place = rng.randrange(len(text))
        text[place : place + rng.choice([0, 1, 20])] = rng.choice(RAW)
    return bytes(text)


def test_mutated_files_beside_a_checkpoint(tmp_path):
    picture = Image.effect_noise((50, 40), 64).convert("RGB")
    carried, refused = set(), 0
    for rng in budget.rounds(random.Random):
        name = rng.choice([*FILES])
        (tmp_path / name).write_bytes(changed(rng, FILES[name]))
        try:
            wanted = beside(tmp_path / "model.safetensors", SIDE)
        except command.Refusal as refusal:
            assert len(str(refusal).splitlines()) == 1 and str(refusal).isprintable()
            refused += 1
        else:
            assert np.isfinite(pictures.preprocess(picture, SIDE, wanted)).all()
            assert described(description(SIDE, wanted)) == (SIDE, wanted)
            assert preprocessor.read(preprocessor.written(SIDE, wanted)) == (SIDE, wanted)
            carried.add(wanted)
        (tmp_path / name).unlink()
    assert refused > 5 and len(carried) > 1 and OPENAI in carried
