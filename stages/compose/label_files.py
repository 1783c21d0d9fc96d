"""The labels of a classifier: a list, or a file of stages/compose/labels."""

from pathlib import Path

from clip_onnx import command
from clip_onnx.settings.params import LABEL_FILES


def read(labels):
    """The list itself, or the lines of the file of stages/compose/labels that is named."""
    if isinstance(labels, str):
        path = LABEL_FILES / Path(labels).name  # nowhere else: DVC watches this folder
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, ValueError):
            held = ", ".join(sorted(file.name for file in LABEL_FILES.glob("*"))) or "nothing"
            raise command.Refusal(
                f"{str(path)!r} is no readable UTF-8 text, {LABEL_FILES} holds: {held};"
                " labels are a list or a file there"
            ) from None
        labels = [line.strip() for line in text.splitlines() if line.strip()]
    if len(labels) < 2:
        raise command.Refusal(f"a classifier needs two labels or more, not {labels}")
    for label in labels:
        if labels.count(label) > 1 or not label.strip():
            raise command.Refusal(f"label {label!r} is empty or stands twice: remove it")
    return list(labels)
