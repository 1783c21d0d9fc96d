"""JSON of this project is strict: `NaN` in it would stop every reader but Python's."""

import ast
import subprocess
from pathlib import Path

WRITERS = ("json.dumps", "json.dump")


def loose(path):
    """Where a file writes JSON that may hold NaN."""
    for node in ast.walk(ast.parse(Path(path).read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WRITERS:
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if given.get("allow_nan") != "False":
                yield f"{path}:{node.lineno}"


def test_every_json_that_is_written_is_strict():
    listed = subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True)
    shipped = [path for path in listed.stdout.split() if "tests/" not in path]
    assert [place for path in shipped for place in loose(path)] == []
    assert len(shipped) > 50
