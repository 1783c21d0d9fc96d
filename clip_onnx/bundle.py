"""The folder of a bundle: what its JSON files say, read whole and checked."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from clip_onnx.command import Refusal, first_line
from clip_onnx.host import preprocessor, tokens
from clip_onnx.names import TOWERS


def inside(folder: Path, name: str) -> Path:
    """Where a file of golden.json lies. Raises ValueError for a name that leads out of the folder.

    Links are followed: Hugging Face's cache consists of them.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name:
        raise ValueError(f"golden.json names {name!r}, which is not inside the folder")
    return folder / path


class Bundle:
    """`side` of pictures in pixels and their `preparation`, `logit_scale`, `checkpoint`'s SHA-256,
    `files` of towers.

    Raises Refusal for a folder that is no bundle, or one of another version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        golden, pictures = self._json("golden.json"), self._json(preprocessor.FILE)
        try:
            self.side, self.preparation = preprocessor.read(pictures)
            self.logit_scale = float(golden["logit_scale"])
            self.checkpoint = golden["checkpoint_sha256"]
            for name in golden["files"]:
                inside(self.folder, name)
            keys = {name: file["key"].split(".") for name, file in golden["files"].items()}
            self.files = {(graph, variant): name for name, (_, graph, variant) in keys.items()}
            if not (0 < self.logit_scale < 1e4 and self.files):
                raise ValueError("sizes, scale or files are missing")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Refusal(
                f"{folder} is torn or a bundle of another version: build or copy it again"
                f" ({first_line(error)})"
            ) from None

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise Refusal(
                f"{self.folder} is no bundle, for its {name} cannot be read"
                f" ({first_line(error)}): name a folder like data/bundles/MODEL"
            ) from None

    def encodings(self) -> list[str]:
        """The encodings and profiles that a tower is in."""
        return sorted({variant for graph, variant in self.files if graph in TOWERS})

    def encoding(self, named: str | Path) -> str:
        """The encoding of that name, or that of the file `onnx/NAME.onnx`."""
        text = str(named)
        of_files = {name: key[1] for key, name in self.files.items() if key[0] in TOWERS}
        of_files |= {Path(name).name: variant for name, variant in of_files.items()}
        found = of_files.get(text, text)
        if found not in self.encodings():
            listed = ", ".join(self.encodings())
            raise Refusal(
                f"{self.folder} has no {text!r}: name a tower's file in onnx/, or one of {listed}"
            )
        return found

    def file(self, tower: str, encoding: str) -> Path:
        """Where a tower lies."""
        name = self.files.get((tower, encoding))
        if name is None:
            others = sorted(v for graph, v in self.files if graph == tower)
            raise Refusal(
                f"{self.folder} has no {tower} tower in {encoding}: take one of {', '.join(others)}"
            )
        return inside(self.folder, name)

    def tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer`, which cuts nothing."""
        try:
            return tokens.load(self.folder / "tokenizer.json", truncate=False)
        except Exception as error:  # the library raises nothing more special
            raise Refusal(
                f"{self.folder}/tokenizer.json cannot be read, copy the bundle again:"
                f" {first_line(error)}"
            ) from None
