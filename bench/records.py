"""What a benchmark has measured, a JSON object a line, and at which commit."""

import json
import subprocess

from clip_onnx import command
from tools import kept


def read(path):
    return kept.json_of(path) if path.exists() else []


def write(path, records):
    lines = ",\n".join(json.dumps(record, allow_nan=False) for record in records)
    with command.output_file(path) as partial:
        partial.write_text(f"[\n{lines}\n]\n", "utf-8")


def commit(revision="HEAD"):
    """What was measured: the checked-out commit, or another one, by its short hash."""
    arguments = ["git", "rev-parse", "--verify", "--short", f"{revision}^{{commit}}"]
    return subprocess.run(arguments, capture_output=True, text=True).stdout.strip()
