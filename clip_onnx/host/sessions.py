"""Running a tower with ONNX Runtime as its users do: default options, on the CPU."""

import contextlib
import ctypes
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from clip_onnx import absent, host
from clip_onnx.host import tokens
from clip_onnx.names import FILE, PROJECTION

BATCH = 16


def session(path: str | Path, providers: Sequence[Any] = ("CPUExecutionProvider",)) -> Any:
    """A session of a model's file, or of the one in a model's directory.

    Raises absent.Absent for a graph that the model does not have.
    """
    path = Path(path)
    absent.check(path)
    file = path / FILE if path.is_dir() else path
    loaded = onnxruntime.InferenceSession(file, providers=[*providers])
    # glibc keeps what loading freed: as much again as the fp32 weights, of a quantised file.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    return loaded


def projection(directory: str | Path) -> NDArray[Any] | None:
    """The matrix that a `text: tokens` tower leaves to the host, or None beside other towers."""
    file = Path(directory) / PROJECTION
    return np.load(file) if file.exists() else None


def feeds(tower: Any, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The inputs of a tower for pictures or token rows, in the types and the form that it takes."""
    marked = len(tower.get_inputs()) > 1
    return named(tower, batch, *([host.eot_onehot(batch, end_id(tower))] if marked else []))


def end_id(tower: Any) -> int | None:
    """The id of the token that ends a text of a tower; None of CLIP's, where it is the highest."""
    about = tower.get_modelmeta().custom_metadata_map.get("preprocessing", "{}")
    found = json.loads(about).get("end_id")
    return None if found is None else int(found)


def named(session: Any, *arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """{input: array} of arrays in the order of a session's inputs; ids narrowed if it wants."""
    return {
        value.name: array.astype(np.int32) if value.type == "tensor(int32)" else array
        for value, array in zip(session.get_inputs(), arrays, strict=True)
    }


def run(
    tower: Any, batches: Iterable[NDArray[Any]], projection: NDArray[Any] | None = None
) -> NDArray[np.float32]:
    """Embeddings of all the batches, concatenated: float32 [n, E], [0, E] of none.

    A tower of a fixed batch takes a smaller one filled up with its last row. An empty batch is not
    run: of no rows, ONNX Runtime's ArgMax keeps the axis, and text_embeds are [0, length, E].
    """
    found = [_embed(tower, batch, projection) for batch in batches if len(batch)]
    if found:
        return np.concatenate(found)
    sizes = tower.get_outputs()[0].shape if projection is None else projection.shape
    return np.zeros((0, *sizes[1:]), np.float32)


def _embed(tower: Any, batch: NDArray[Any], projection: NDArray[Any] | None) -> NDArray[Any]:
    rows, fixed = len(batch), tower.get_inputs()[0].shape[0]
    if isinstance(fixed, int) and rows < fixed:
        batch = np.concatenate([batch, np.repeat(batch[-1:], fixed - rows, axis=0)])
    embeds = tower.run(None, feeds(tower, batch))[0]
    if projection is not None:
        embeds = host.project(embeds, batch, projection, end_id(tower))
    return embeds[:rows]


def batches(items: Any, size: int = BATCH) -> Iterator[Any]:
    return (items[start : start + size] for start in range(0, len(items), size))


def fixed_axes(tower: Any) -> tuple[int | None, int | None]:
    """(batch, length) that a tower takes alone; None where an axis is dynamic or is no length."""
    shape = tower.get_inputs()[0].shape
    sizes = [size if isinstance(size, int) else None for size in shape]
    return sizes[0], sizes[1] if len(shape) == 2 else None


def picture_settings(pictures: Any, batch: int | None = None) -> list[Iterator[Any]]:
    """The ways to feed pictures that must not differ: one at a time, and sixteen."""
    return [batches(pictures, size) for size in ([batch] if batch else [1, BATCH])]


def text_settings(
    rows: Sequence[Sequence[int]],
    context: int = tokens.CONTEXT,
    batch: int | None = None,
    length: int | None = None,
) -> Sequence[Iterator[NDArray[np.int64]]]:
    """The ways to feed token rows that must not differ.

    No padding at all; padding with the end token to the batch's longest, as Hugging Face's
    tokenizer does; and padding with 0 to all the `context` that the model reads, as OpenAI's does.
    A tower of a fixed `length` is padded to it both ways, one of a fixed `batch` gets batches of
    that size only.
    """
    size = batch or BATCH
    settings = [
        (tokens.pad(group, group[0][-1], length) for group in batches(rows, size)),
        (tokens.pad(group, 0, length or context) for group in batches(rows, size)),
    ]
    if batch in (None, 1) and length is None:
        settings.insert(0, (tokens.pad([row]) for row in rows))
    return settings
