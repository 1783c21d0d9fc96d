"""A bundle as an object: pictures and texts in, embeddings out."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from clip_onnx import host, opening
from clip_onnx.bundle import Bundle
from clip_onnx.command import Refusal, first_line
from clip_onnx.host import layout, sessions, tokens, zero_shot
from clip_onnx.opening import Picture

BATCH = 16
TEMPLATES = ("a photo of a {}.",)


class _Tower(NamedTuple):
    session: Any
    projection: NDArray | None
    batch: int | None  # fixed axes, None where they are dynamic
    length: int | None


class Clip:
    """The towers of a bundle (data/bundles/MODEL, or a copy of it) in one encoding or profile.

    `encoding` is a name of those in `golden.json` ("int8w"), or a tower's file name, whose encoding
    is taken. `providers` go to ONNX Runtime. A tower is loaded when it is first needed. Raises
    Refusal for a folder that is no bundle, an encoding that is not in it, and a provider that ONNX
    Runtime has not got here.
    """

    def __init__(
        self,
        folder: str | Path,
        encoding: str | Path = "fp32",
        providers: Sequence[Any] = ("CPUExecutionProvider",),
    ) -> None:
        if isinstance(providers, str):
            raise Refusal(f"providers is a list, not a text: give [{providers!r}]")
        self.bundle = Bundle(folder)
        self.encoding, self.providers = self.bundle.encoding(encoding), list(providers)
        known = onnxruntime.get_available_providers()
        for one in self.providers:
            name = one if isinstance(one, str) else one[0]
            if name not in known:
                raise Refusal(f"ONNX Runtime has no {name} here, but {', '.join(known)}")

    @functools.cached_property
    def tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer` of the bundle."""
        return self.bundle.tokenizer()

    @functools.cached_property
    def _visual(self) -> _Tower:
        return self._load("visual")

    @functools.cached_property
    def _textual(self) -> _Tower:
        return self._load("textual")

    def _load(self, tower: str) -> _Tower:
        file = self.bundle.file(tower, self.encoding)
        beside = file.with_name(layout.projection_name(file.name))
        try:
            session = sessions.session(file, self.providers)
            projection = np.load(beside) if beside.exists() else None
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise Refusal(
                f"{file} cannot be loaded, copy the bundle again: {first_line(error)}"
            ) from None
        made_of = session.get_modelmeta().custom_metadata_map.get("checkpoint_sha256")
        if made_of != self.bundle.checkpoint:
            raise Refusal(
                f"{file} is of another checkpoint than golden.json: copy the bundle again"
            )
        return _Tower(session, projection, *sessions.fixed_axes(session))

    def encode_image(
        self, images: Picture | Iterable[Picture], normalize: bool = True, progress: bool = False
    ) -> NDArray[np.float32]:
        """Embeddings float32 [n, E] of pictures, of length 1 unless `normalize` is false.

        A picture is a path, a PIL image of 8 bits a channel, or an array uint8 [height, width],
        [height, width, 3] or [height, width, 4] in the order RGB(A). It is prepared as the bundle's
        preprocessor_config.json says; by OpenAI's transform the centre is kept. Orientation and
        alpha are ignored. One picture alone gives [1, E]. Raises Refusal that names a picture which
        cannot be read.
        """
        one = isinstance(images, str | Path | Image.Image | np.ndarray)
        given = [images] if one and getattr(images, "ndim", 3) < 4 else images
        tower = self._visual
        batches = self._batches(given, tower, progress, "pictures")
        return self._embed(tower, (self._pixels(batch) for batch in batches), normalize)

    def encode_text(
        self,
        texts: str | Iterable[str],
        normalize: bool = True,
        truncate: bool = False,
        progress: bool = False,
    ) -> NDArray[np.float32]:
        """Embeddings float32 [n, E] of texts, of length 1 unless `normalize` is false.

        One text alone gives [1, E]. Raises Refusal for a text of more tokens than the model reads
        (OpenAI's 77, a profile its fixed length), as OpenAI's tokenizer does; `truncate` cuts it
        instead.
        """
        given = [texts] if isinstance(texts, str) else texts
        tower = self._textual
        batches = self._batches(given, tower, progress, "texts")
        return self._embed(
            tower, (self._ids(batch, tower, truncate) for batch in batches), normalize
        )

    def similarity(self, images: ArrayLike, texts: ArrayLike) -> NDArray[np.float32]:
        """Cosines float32 [n, m] of embeddings [n, E] with embeddings [m, E]."""
        first, second = directions(images), directions(texts)
        if first.shape[1] != second.shape[1]:
            raise Refusal(
                f"embeddings of {first.shape[1]} and of {second.shape[1]} numbers are of different"
                " models: compare those of one"
            )
        return (first @ second.T).astype(np.float32)

    def classify(
        self,
        images: ArrayLike | Picture | Iterable[Picture],
        labels: Sequence[str],
        templates: Sequence[str] = TEMPLATES,
    ) -> NDArray[np.float32]:
        """Probabilities float32 [n, labels]; `images` are embeddings [n, E] or pictures.

        Every label stands in every template ({} is its place); the mean of these unit embeddings
        is the label's, as in section 3.1.4 of the CLIP paper.
        """
        labels, templates = listed(labels, "labels"), listed(templates, "templates")
        prompts = zero_shot.prompts(labels, templates)
        embeds = self.encode_text(itertools.chain.from_iterable(prompts))
        matrix = embeds.reshape(len(prompts), len(templates), -1).mean(1)
        if not (isinstance(images, np.ndarray) and images.dtype.kind == "f"):
            images = self.encode_image(images)
        return zero_shot.softmax(self.bundle.logit_scale * self.similarity(images, matrix))

    def _batches(self, items: Any, tower: _Tower, progress: bool, unit: str) -> Iterator[list[Any]]:
        if not isinstance(items, Iterable) or isinstance(items, bytes | dict):
            raise Refusal(f"{unit}: {type(items).__name__} is none of them, nor a list of them")
        items = iter(items)
        if progress:
            from tqdm import tqdm  # tokenizers brings it, by way of huggingface_hub

            items = tqdm(items, unit=unit)
        while batch := list(itertools.islice(items, tower.batch or BATCH)):
            yield batch

    def _embed(
        self, tower: _Tower, batches: Iterable[NDArray], normalize: bool
    ) -> NDArray[np.float32]:
        parts = [self._run(tower, [])]  # [0, E]
        parts += [self._run(tower, [batch]) for batch in batches]
        embeds = np.concatenate(parts)
        if not np.isfinite(embeds).all():
            raise Refusal(
                f"{self.bundle.folder} gives embeddings that are no numbers: copy it again, and see"
                " what `clip-onnx verify` says of it"
            )
        return host.normalize(embeds) if normalize else embeds

    def _run(self, tower: _Tower, batches: list[NDArray]) -> NDArray[np.float32]:
        try:
            return sessions.run(tower.session, batches, tower.projection)
        except Exception as error:  # ONNX Runtime's own
            raise self._torn(error) from None

    def _torn(self, error: Exception) -> Refusal:
        return Refusal(
            f"{self.bundle.folder} does not fit together, copy it again: {first_line(error)}"
        )

    def _pixels(self, batch: list[Picture]) -> NDArray[np.float32]:
        side, preparation = self.bundle.side, self.bundle.preparation
        return np.stack([opening.pixels(picture, side, preparation) for picture in batch])

    def _ids(self, texts: list[str], tower: _Tower, truncate: bool) -> NDArray[np.int64]:
        for text in texts:
            if not isinstance(text, str):
                raise Refusal(f"{text!r} is no text: give str"[:200])
        try:
            rows = tokens.encode(self.tokenizer, texts)
        except Exception as error:  # the library raises nothing more special
            raise self._torn(error) from None
        most = tower.length or self.bundle.context
        for text, row in zip(texts, rows, strict=True):
            if len(row) > most and not truncate:
                raise Refusal(
                    f"{text[:60]!r} is {len(row)} tokens, not {most}: shorten it, or have it cut"
                    " (truncate)"
                )
        return host.fit(rows, tower.length or min(most, max(map(len, rows))))


def listed(texts: Sequence[str], name: str) -> list[str]:
    """The texts as a list, refused where they are none, or some twice or empty."""
    found = [] if isinstance(texts, str | bytes) or not isinstance(texts, Iterable) else [*texts]
    wrong = not found or not all(isinstance(one, str) and one.strip() for one in found)
    if wrong or len({*found}) < len(found):
        raise Refusal(f"{name} is a list of different texts, not {texts!r}"[:200])
    return found


def directions(embeds: ArrayLike) -> NDArray[np.float64]:
    """[n, E] embeddings in length 1, refused where they have none."""
    try:
        found = np.asarray(embeds, np.float64)
    except (TypeError, ValueError):
        raise Refusal(f"{type(embeds).__name__} is no array of embeddings [n, E]") from None
    if found.ndim != 2:
        raise Refusal(f"an array {list(found.shape)} is no embeddings: give [n, E]")
    if not (np.isfinite(found).all() and found.any(axis=1).all()):
        raise Refusal("an embedding is zero or not finite, so it has no direction: leave it out")
    return host.normalize(found)
