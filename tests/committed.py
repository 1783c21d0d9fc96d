"""What git has of a file beside the one in the working tree.

Another kind of CPU than the commit's moves the last digits of what `make` measures. So README may
be of the metrics in HEAD, or of those that were built here and are not committed yet. The target
`docs-check` looks at the working tree alone.
"""

import subprocess


def texts(path):
    """(where, text): of the working tree, and of HEAD where git has one with that file."""
    with open(path, encoding="utf-8") as file:
        yield "the working tree", file.read()
    line = ["git", "show", f"HEAD:{path}"]
    head = subprocess.run(line, capture_output=True, text=True)
    if head.returncode == 0:
        yield "HEAD", head.stdout
    else:
        yield f"HEAD, which cannot be read ({head.stderr.strip()})", None


def judge(path, complaints):
    """Pass if `complaints(text)` are none for one of a file's texts."""
    told = []
    for where, text in texts(path):
        found = [] if text is None else list(complaints(text))
        if text is not None and not found:
            return
        told += [f"{path} of {where}:", *found]
    raise AssertionError("\n".join(["README.md is not current: run `make docs`", *told]))
