"""Print the comment on a pull request: what differs from a revision.

python -m tools.review origin/main
"""

import argparse

from clip_onnx import command
from tools.review.comment import comment


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("revision")
    print(comment(parser.parse_args().revision), end="")


if __name__ == "__main__":
    command.run(main)
