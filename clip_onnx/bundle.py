"""The folder of a bundle: what its JSON files say, read whole and checked."""

import json
import math
from pathlib import Path, PurePosixPath
from typing import Any

from clip_onnx.command import Refusal, first_line
from clip_onnx.host import layout, machine, preprocessor, tokens
from clip_onnx.names import TOWERS


def inside(folder: Path, name: str) -> Path:
    """Where a file of golden.json lies. Raises ValueError for a name that leads out of the folder.

    Links are followed: Hugging Face's cache consists of them.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name:
        raise ValueError(f"golden.json names {name!r}, which is not inside the folder")
    return folder / path


def towers(golden: dict[str, Any]) -> tuple[str, ...]:
    """The towers of a bundle by its golden.json: both, or the one that it names.

    Raises ValueError for a name of none.
    """
    one = golden.get("tower")
    if one not in (None, *TOWERS):
        raise ValueError(f"golden.json names {one!r}, which is no tower")
    return TOWERS if one is None else (one,)


class Bundle:
    """`towers` that there are, `side` of pictures in pixels and their `preparation`, `context` in
    tokens, `checkpoint`'s SHA-256, `files` of graphs.

    A bundle of the textual tower alone has no `side` and no `preparation`, one of the visual tower
    no `context`. Raises Refusal for a folder that is no bundle, or one of another version or of
    another machine.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        machine.check(self.folder)
        golden = self._json("golden.json")
        try:
            self.towers = towers(golden)
            self._scale = float(golden["logit_scale"]) if len(self.towers) > 1 else None
            self.checkpoint = golden["checkpoint_sha256"]
            for name in golden["files"]:
                inside(self.folder, name)
            keys = {name: file["key"].split(".") for name, file in golden["files"].items()}
            self.files = {(graph, variant): name for name, (_, graph, variant) in keys.items()}
            if not (self.files and (self._scale is None or 0 < self._scale < math.inf)):
                raise ValueError("sizes, scale or files are missing")
            if "textual" in self.towers:
                self.context = layout.context(self._json(tokens.CONFIG_FILE))
            if "visual" in self.towers:
                self.side, self.preparation = preprocessor.read(self._json(preprocessor.FILE))
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

    @property
    def logit_scale(self) -> float:
        """What cosines of pictures and texts are multiplied with."""
        for tower in TOWERS:
            self._need(tower)
        assert self._scale is not None
        return self._scale

    def _need(self, tower: str) -> None:
        """Raise Refusal for a tower that the bundle lacks."""
        if tower not in self.towers:
            raise Refusal(
                f"{self.folder} has no {tower} tower, for its checkpoint holds the"
                f" {self.towers[0]} one alone: take a bundle of both"
            )

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
        self._need(tower)
        name = self.files.get((tower, encoding))
        if name is None:
            others = sorted(v for graph, v in self.files if graph == tower)
            raise Refusal(
                f"{self.folder} has no {tower} tower in {encoding}: take one of {', '.join(others)}"
            )
        return inside(self.folder, name)

    def tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer`, which cuts nothing."""
        self._need("textual")
        try:
            return tokens.load(self.folder / "tokenizer.json", context=None)
        except Exception as error:  # the library raises nothing more special
            raise Refusal(
                f"{self.folder}/tokenizer.json cannot be read, copy the bundle again:"
                f" {first_line(error)}"
            ) from None
