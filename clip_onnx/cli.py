"""The command `clip-onnx`: embeddings, labels and search of pictures and texts, by a bundle.

    clip-onnx embed FOLDER (--images FILE … | --texts TEXT …) [--output FILE.npy]
    clip-onnx classify FOLDER PICTURE … --labels LABEL …
    clip-onnx search FOLDER PICTURES TEXT … [--top 5]
    clip-onnx verify FOLDER
    clip-onnx optimise FOLDER OUTPUT [--encoding int4w]

FOLDER is data/bundles/MODEL, or a copy of it. Without --output, `embed` prints a JSON line an
input.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from clip_onnx import command, opening, picture_files
from clip_onnx import optimise as optimised
from clip_onnx import verify as checks
from clip_onnx.clip import TEMPLATES, Clip


def embed(arguments: argparse.Namespace) -> None:
    if arguments.output:
        check_writable(arguments.output)
    clip = Clip(arguments.folder, arguments.encoding)
    given, progress = arguments.images or arguments.texts, sys.stderr.isatty()
    if arguments.images:
        found = clip.encode_image(given, progress=progress)
    else:
        found = clip.encode_text(given, truncate=arguments.truncate, progress=progress)
    if arguments.output:
        with command.output_file(arguments.output) as partial, open(partial, "wb") as file:
            np.save(file, found)
        return
    for item, row in zip(given, found, strict=True):
        line = {"input": item, "embedding": [round(float(x), 7) for x in row]}
        print(json.dumps(line, allow_nan=False))


def check_writable(path: Path) -> None:
    """Refuse, before any work, a place where no file can be written, or something else lies."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise command.Refusal(f"{path} is there and no plain file: name another --output")
    if not path.name or not os.access(path.parent, os.W_OK | os.X_OK):
        raise command.Refusal(f"{path} cannot be written there: make its folder, or name another")


def classify(arguments: argparse.Namespace) -> None:
    clip = Clip(arguments.folder, arguments.encoding)
    for picture in arguments.pictures:
        (shares,) = clip.classify(picture, arguments.labels, arguments.templates)
        best = shares.argmax()
        print(f"{picture}\t{arguments.labels[best]}\t{shares[best]:.4f}")


def search(arguments: argparse.Namespace) -> None:
    clip = Clip(arguments.folder, arguments.encoding)
    if not arguments.pictures.is_dir():
        raise command.Refusal(f"{arguments.pictures} is no folder: name one that holds pictures")
    texts = clip.encode_text(arguments.texts)
    files, images = readable(clip, picture_files.within(arguments.pictures, lambda *left: None))
    if not files:
        endings = " ".join(sorted(picture_files.ENDINGS))
        raise command.Refusal(f"{arguments.pictures} holds no pictures ({endings}): name another")
    alike = clip.similarity(texts, images)
    for text, row in zip(arguments.texts, alike, strict=True):
        for place in np.argsort(-row, kind="stable")[: arguments.top]:
            print(f"{row[place]:.4f}\t{text}\t{files[place]}")


def readable(clip: Clip, files: list[Path]) -> tuple[list[Path], np.ndarray]:
    """The files that are pictures, and their embeddings; the others are told on stderr."""
    kept = []

    def pictures() -> Iterator[Image.Image]:
        for file in files:
            try:
                picture = opening.opened(file)
            except Exception as error:  # decoders raise whatever they like
                print(f"left out: {file}: {command.first_line(error)}", file=sys.stderr)
                continue
            kept.append(file)
            yield picture

    images = clip.encode_image(pictures(), progress=sys.stderr.isatty())
    return kept, images


def verify(arguments: argparse.Namespace) -> None:
    checks.report(arguments.folder)


def optimise(arguments: argparse.Namespace) -> None:
    optimised.optimise(arguments.folder, arguments.output, arguments.encoding)


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def parsed(line: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="clip-onnx", description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(run: Callable[..., None], summary: str) -> argparse.ArgumentParser:
        added = actions.add_parser(run.__name__, help=summary, description=summary)
        added.set_defaults(run=run)
        added.add_argument("folder", type=Path, help="data/bundles/MODEL, or a copy of it")
        return added

    def with_encoding(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
        added.add_argument("--encoding", default="fp32", help="of the bundle's files (fp32)")
        return added

    one = with_encoding(action(embed, "write embeddings of pictures or texts"))
    inputs = one.add_mutually_exclusive_group(required=True)
    inputs.add_argument("--images", nargs="+", metavar="FILE")
    inputs.add_argument("--texts", nargs="+", metavar="TEXT")
    one.add_argument("--output", type=Path, help="a .npy file; JSON lines are printed without it")
    one.add_argument(
        "--truncate", action="store_true", help="cut texts of more tokens than are read"
    )
    one = with_encoding(action(classify, "choose a label for each picture"))
    one.add_argument("pictures", nargs="+", metavar="PICTURE")
    one.add_argument("--labels", nargs="+", required=True, metavar="LABEL")
    one.add_argument("--templates", nargs="+", default=TEMPLATES, metavar="TEMPLATE")
    one = with_encoding(action(search, "find the pictures of a folder that are most alike texts"))
    one.add_argument("pictures", type=Path, metavar="PICTURES")
    one.add_argument("texts", nargs="+", metavar="TEXT")
    one.add_argument("--top", type=at_least_one, default=5, help="how many pictures a text (5)")
    action(verify, "check a bundle's files on this machine")
    one = with_encoding(
        action(optimise, "make a bundle that loads in little memory, on this machine")
    )
    one.add_argument("output", type=Path, metavar="OUTPUT", help="a new folder")
    return parser.parse_args(line)


def main() -> None:
    arguments = parsed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that a terminal cannot show
    try:
        command.run(lambda: arguments.run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # what reads it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
