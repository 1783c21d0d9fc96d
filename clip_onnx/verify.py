"""Check a bundle's files on this machine against the embeddings that travel with them.

    clip-onnx verify FOLDER

From pictures and characters on: the folder's own tokenizer and picture preparation. One line a
file; exit status 1 if any is below its floor, does not load, or could not be compared.
"""

import base64
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clip_onnx import command, host
from clip_onnx.bundle import inside, towers
from clip_onnx.host import layout, machine, pictures, preprocessor, sessions, tokens
from clip_onnx.measure import parity
from clip_onnx.names import TOWERS


def cases(folder: Path, golden: dict[str, Any]) -> dict[str, list[Any]]:
    """{kind of graph: [(arrays in the order of its inputs, {output: what it should be})]}.

    A tower has one array, and the one output that the host may have to finish (clip_onnx/host).
    Of a tower that the bundle lacks, and of what takes it, there is nothing.
    """
    held = towers(golden)
    found = of_pictures(folder, golden) if "visual" in held else {}
    found |= of_texts(folder, golden) if "textual" in held else {}
    if len(held) > 1:
        ((pixels, image),) = found["visual"]
        found["combined"] = [(pixels + ids, image | embeds) for ids, embeds in found["textual"]]
    return found


def of_pictures(folder: Path, golden: dict[str, Any]) -> dict[str, list[Any]]:
    """The cases of golden.json's picture."""
    side, preparation = preprocessor.read(
        json.loads((folder / preprocessor.FILE).read_text("utf-8"))
    )
    png = io.BytesIO(base64.b64decode(golden["picture"]["png_base64"]))
    picture = Image.open(png, formats=["PNG"])  # of PostScript, Pillow would run a program
    pixels = pictures.preprocess(picture, side, preparation)[None]
    image = {"image_embeds": np.array([golden["picture"]["image_embeds"]])}
    return {
        "visual": [([pixels], image)],
        "image": [([np.asarray(picture)], image)],
        "preprocess": [([np.asarray(picture)], {"pixel_values": pixels})],
    }


def of_texts(folder: Path, golden: dict[str, Any]) -> dict[str, list[Any]]:
    """The cases of golden.json's captions. Raises Refusal where the folder's tokens are others."""
    texts = golden["texts"]
    context = layout.context(json.loads((folder / tokens.CONFIG_FILE).read_text("utf-8")))
    tokenizer = tokens.load(folder / "tokenizer.json", context)
    rows = tokens.encode(tokenizer, [text["caption"] for text in texts])
    for text, row in zip(texts, rows, strict=True):
        # A text that names the end token itself ends there, in golden.json and in the tower.
        if row[: len(text["input_ids"])] != text["input_ids"]:
            raise command.Refusal(
                f"{folder}/tokenizer.json turns {text['caption']!r} into {row}, golden.json has"
                f" {text['input_ids']}: copy the bundle again"
            )
    captions = [
        ([tokens.pad([row])], {"text_embeds": np.array([text["text_embeds"]])})
        for row, text in zip(rows, texts, strict=True)
    ]
    return {"textual": captions}


def of_file(cases: dict[str, list[Any]], file: dict[str, Any]) -> list[Any]:
    """The cases of a file of golden.json; a classifier's labels, and so its answer, are its own."""
    if file["graph"] == "classifier":
        ((pixels, _),) = cases["visual"]
        return [(pixels, {file["output"]: np.array([file["probabilities"]])})]
    return cases[file["graph"]]


def cosines(file: Path, kind: str, cases: Iterable[Any]) -> Iterator[float]:
    """The cosine of every output of every case with what it should be.

    NaN for an output that is not finite. Raises ValueError for one of another shape.
    """
    session = sessions.session(file)
    for arrays, expected in cases:
        if kind in TOWERS:
            length = sessions.fixed_axes(session)[1]
            if length and arrays[0].shape[1] > length:
                continue  # the profile has no room for this caption
            found = [embed(session, file, *arrays)]
        else:
            found = session.run([*expected], sessions.named(session, *arrays))
        for truth, array in zip(expected.values(), found, strict=True):
            if truth.size != array.size:
                raise ValueError(f"{array.size} numbers, not {truth.size}")
            yield float(parity.cosine(truth.reshape(1, -1), array.reshape(1, -1))[0])


def worst(file: Path, about: dict[str, Any], cases: dict[str, list[Any]]) -> float:
    """The worst cosine of a file; NaN if one of them is. Raises ValueError where there is none."""
    return parity.worst(cosines(file, about["graph"], of_file(cases, about)))


def embed(session: Any, file: Path, batch: np.ndarray) -> np.ndarray:
    """A tower's embedding of one picture or one row of tokens, whatever its profile."""
    _, length = sessions.fixed_axes(session)
    if length:
        batch = host.fit(batch, length)
    beside = file.with_name(layout.projection_name(file.name))
    projection = np.load(beside) if beside.exists() else None
    return sessions.run(session, [batch], projection)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """(golden.json's content, the cases to run) of a bundle."""
    machine.check(folder)
    try:
        golden = json.loads((folder / "golden.json").read_text("utf-8"))
        if not (golden["files"] and golden.get("texts", True)):
            raise ValueError("golden.json lists no files or no texts")
        for name, file in golden["files"].items():
            inside(folder, name)
            if not -1 <= file["cosine_min"] <= 1:
                raise ValueError(f"{name} has no floor in golden.json")
        return golden, cases(folder, golden)
    except command.Refusal:
        raise
    except Exception as error:  # a file is missing, cut short or another program's
        raise command.Refusal(
            f"{folder} is no whole bundle, copy it again: {command.first_line(error)}"
        ) from None


def check(folder: Path) -> Iterator[tuple[str, float | None, float, str]]:
    """(file, worst cosine or None, floor, what went wrong) of every file of a bundle."""
    golden, known = read(folder)
    for name, file in golden["files"].items():
        floor, cosine, problem = file["cosine_min"], None, ""
        try:
            cosine = worst(folder / name, file, known)
            if not cosine >= floor:
                problem = "below its floor"
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            problem = f"does not run: {command.first_line(error)}"
        yield name, cosine, floor, problem


def report(folder: Path) -> None:
    """Print a line a file. Raises Refusal that names the files which are not as they should be."""
    failed = []
    for name, cosine, floor, problem in check(folder):
        shown = "not compared" if cosine is None else f"cosine {cosine:.7f}"
        print(f"{command.one_line(name):38} {shown:17} floor {floor:<9} {problem or 'ok'}")
        failed += [name] if problem else []
    if failed:
        raise command.Refusal(f"not as they should be: {', '.join(failed)}")
