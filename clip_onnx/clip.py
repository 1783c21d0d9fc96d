"""A bundle as an object: pictures and texts in, embeddings out."""

import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from clip_onnx import host
from clip_onnx.command import Refusal, first_line
from clip_onnx.host import layout, pictures, sessions, tokens, zero_shot
from clip_onnx.names import TOWERS

BATCH = 16
TEMPLATES = ("a photo of a {}.",)
Picture = Any  # a path, a PIL image, or uint8 [height, width], [height, width, 3 or 4]


class _Tower(NamedTuple):
    session: Any
    projection: NDArray | None
    batch: int | None  # fixed axes, None where they are dynamic
    length: int | None


class Clip:
    """The towers of a bundle (data/bundles/MODEL, or a copy of it) in one encoding or profile.

    `encoding` is a name of those in `golden.json` ("int8w"), or a file name ("onnx/…onnx"), whose
    encoding is taken. `providers` go to ONNX Runtime. A tower is loaded when it is first needed.
    Raises Refusal for a folder that is no bundle, and an encoding that is not in it.
    """

    def __init__(
        self,
        folder: str | Path,
        encoding: str = "fp32",
        providers: Sequence[Any] = ("CPUExecutionProvider",),
    ) -> None:
        self.folder, self.providers = Path(folder), list(providers)
        golden = self._json("golden.json")
        self.side: int = self._json("preprocessor_config.json")["crop_size"]["height"]
        try:
            self.logit_scale: float = golden["logit_scale"]
            keys = {name: file["key"].split(".") for name, file in golden["files"].items()}
        except (KeyError, TypeError):
            raise Refusal(
                f"{folder} is a bundle of another version, for its golden.json lacks files or"
                " logit_scale: build it again"
            ) from None
        self._files = {(graph, variant): name for name, (_, graph, variant) in keys.items()}
        self.encoding = keys[encoding][2] if encoding in keys else encoding
        known = sorted({variant for graph, variant in self._files if graph in TOWERS})
        if self.encoding not in known:
            raise Refusal(f"{folder} has no {encoding}, but {', '.join(known)}: name one of them")

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise Refusal(
                f"{self.folder} is no bundle, for its {name} cannot be read"
                f" ({first_line(error)}): name a folder like data/bundles/MODEL"
            ) from None

    @functools.cached_property
    def tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer` of the bundle."""
        return tokens.load(self.folder / "tokenizer.json", truncate=False)

    @functools.cached_property
    def _visual(self) -> _Tower:
        return self._load("visual")

    @functools.cached_property
    def _textual(self) -> _Tower:
        return self._load("textual")

    def _load(self, tower: str) -> _Tower:
        name = self._files.get((tower, self.encoding))
        if name is None:
            raise Refusal(f"{self.folder} has no {tower} tower in {self.encoding}")
        file = self.folder / name
        try:
            session = sessions.session(file, self.providers)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise Refusal(f"{file} cannot be loaded: {first_line(error)}") from None
        beside = self.folder / layout.projection_name(name)
        projection = np.load(beside) if beside.exists() else None
        return _Tower(session, projection, *sessions.fixed_axes(session))

    def encode_image(
        self, images: Picture | Iterable[Picture], normalize: bool = True, progress: bool = False
    ) -> NDArray[np.float32]:
        """Embeddings float32 [n, E] of pictures, of length 1 unless `normalize` is false.

        A picture is a path, a PIL image of any mode, or an array uint8 [height, width], [height,
        width, 3] or [height, width, 4] in the order RGB(A). It is taken as OpenAI's transform takes
        it: orientation and alpha are ignored, the centre is kept. One picture alone gives [1, E].
        Raises Refusal that names a picture which cannot be read.
        """
        tower = self._visual
        one = isinstance(images, str | Path | Image.Image | np.ndarray)
        given = [images] if one and getattr(images, "ndim", 3) < 4 else images
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

        One text alone gives [1, E]. Raises Refusal for a text of more than 77 tokens (or those of
        the profile's fixed length), as OpenAI's tokenizer does; `truncate` cuts it instead.
        """
        tower = self._textual
        batches = self._batches([texts] if isinstance(texts, str) else texts, tower, progress)
        return self._embed(
            tower, (self._ids(batch, tower, truncate) for batch in batches), normalize
        )

    def similarity(self, images: ArrayLike, texts: ArrayLike) -> NDArray[np.float32]:
        """Cosines float32 [n, m] of embeddings [n, E] with embeddings [m, E]."""
        units = (host.normalize(np.asarray(embeds, np.float64)) for embeds in (images, texts))
        first, second = units
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
        if not (isinstance(images, np.ndarray) and images.dtype.kind == "f"):
            images = self.encode_image(images)
        prompts = zero_shot.prompts(labels, templates)
        embeds = self.encode_text(itertools.chain.from_iterable(prompts))
        matrix = embeds.reshape(len(prompts), len(templates), -1).mean(1)
        return zero_shot.softmax(self.logit_scale * self.similarity(images, matrix))

    def _batches(
        self, items: Iterable[Any], tower: _Tower, progress: bool, unit: str = "texts"
    ) -> Iterator[list[Any]]:
        items = iter(items)
        if progress:
            from tqdm import tqdm  # tokenizers brings it, by way of huggingface_hub

            items = tqdm(items, unit=unit)
        while batch := list(itertools.islice(items, tower.batch or BATCH)):
            yield batch

    def _embed(
        self, tower: _Tower, batches: Iterable[NDArray], normalize: bool
    ) -> NDArray[np.float32]:
        size = tower.session.get_outputs()[0].shape[-1]
        if tower.projection is not None:
            size = tower.projection.shape[-1]
        parts = [sessions.run(tower.session, [batch], tower.projection) for batch in batches]
        embeds = np.concatenate([np.zeros((0, size), np.float32), *parts])
        return host.normalize(embeds) if normalize else embeds

    def _pixels(self, batch: list[Picture]) -> NDArray[np.float32]:
        return np.stack([pictures.preprocess(opened(picture), self.side) for picture in batch])

    def _ids(self, texts: list[str], tower: _Tower, truncate: bool) -> NDArray[np.int64]:
        rows = tokens.encode(self.tokenizer, texts)
        most = tower.length or tokens.CONTEXT
        for text, row in zip(texts, rows, strict=True):
            if len(row) > most and not truncate:
                raise Refusal(
                    f"{text[:60]!r} is {len(row)} tokens, not {most}: truncate=True cuts it"
                )
        return host.fit(rows, tower.length or min(most, max(map(len, rows))))


def opened(picture: Picture) -> Image.Image:
    """A picture as PIL has it, read whole."""
    if isinstance(picture, Image.Image):
        return picture
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
            shape = list(picture.shape)
            raise Refusal(
                f"an array {picture.dtype} {shape} is no picture: give uint8 [height, width, 3]"
            )
        return Image.fromarray(picture)
    try:
        with Image.open(picture) as file:
            file.load()
            return file
    except Exception as error:  # decoders raise whatever they like
        raise Refusal(f"{picture} cannot be read as a picture: {first_line(error)}") from None
