"""Preparations of pictures that differ from OpenAI's."""

from clip_onnx.host.preparation import Preparation

SIDE = 64
HALVES = (0.5, 0.5, 0.5)
KINDS = [
    Preparation(HALVES, HALVES, interpolation, resize)
    for interpolation in ("bicubic", "bilinear")
    for resize in ("shortest", "squash", "longest")
]
SQUASHED = [wanted for wanted in KINDS if wanted.resize == "squash"]  # bicubic, bilinear
LONGEST = KINDS[-1]
