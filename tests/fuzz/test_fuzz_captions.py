"""Text files of every kind: captions in two splits that share none, or one line."""

import numpy as np

from clip_onnx import command
from clip_onnx.host import tokens
from clip_onnx.measure.inputs import CALIBRATION, EVALUATION
from stages.evalset import captions

import budget

PIECES = [
    "a red circle", "A Red Circle", "a photo of a small red circle.", "ein Bär", "&amp;nbsp;",
    "&nbsp;", "\ufeff", "\u200b", "\u2028", "\x00", "\x1b[2J", "\r", "\r\n", "\n", "\n\n", "\x0b",
    "\x85", " ", "\t", "\U0001f9ff" * 3, "ﬁ", "Ã¤", "ς", "İ", "x" * 3000, "<|endoftext|>",
    captions.BORDER, f"{captions.BORDER} ", f"\ufeff{captions.BORDER}\t", "--- Calibration ---",
]  # fmt: skip
ENCODINGS = ["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252", "utf-32"]


def text(rng):
    lines = [f"caption {rng.integers(20)}" for _ in range(rng.integers(12))]
    for _ in range(rng.integers(8)):
        piece = str(rng.choice(PIECES)) if rng.random() < 0.9 else str(rng.integers(10**9))
        place = int(rng.integers(len(lines) + 1))
        if lines and rng.random() < 0.3:
            lines[place - 1] += piece
        else:
            lines.insert(place, piece)
    content = str(rng.choice(["\n", "\n", "\n", "\r\n", "\r"])).join(lines)
    content = bytearray(content.encode(str(rng.choice(ENCODINGS)), "replace"))
    if content and rng.random() < 0.2:
        content[int(rng.integers(len(content)))] = int(rng.integers(256))
    return bytes(content)


def test_any_text_is_split_or_refused(tmp_path):
    path = tmp_path / "captions.txt"

    def attempt(rng):
        """Whether the text was split."""
        path.write_bytes(text(rng))
        try:
            found = captions.read(path)
        except command.Refusal as refusal:
            assert len(str(refusal).splitlines()) == 1 and str(refusal).isprintable()
            return False
        cleaned = {name: [tokens.clean(line) for line in part] for name, part in found.items()}
        both = [*cleaned[EVALUATION], *cleaned[CALIBRATION]]
        assert all(both) and len(both) == len(set(both))
        assert cleaned[CALIBRATION] and captions.BORDER not in both
        assert found[EVALUATION][:128] == [*captions.prompts()][:128]
        return True

    split = [attempt(rng) for rng in budget.rounds(np.random.default_rng)]
    assert 0.1 * len(split) < sum(split) < len(split)
    print(f"{len(split)} texts, {sum(split)} of them split")
