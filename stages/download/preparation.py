"""How a checkpoint wants its pictures, by the files that its makers put beside the weights.

Hugging Face's preprocessor_config.json (or `image_processor` of processor_config.json, which
counts more there) and `preprocess_cfg` of open_clip_config.json. What cannot be carried into the
graphs is refused by its name: they would see other pictures than the model was trained on.
"""

from clip_onnx import command
from clip_onnx.host import preprocessor
from clip_onnx.host.preparation import OPENAI, RESIZED, Preparation
from stages.download import described

PROCESSOR_FILE, OPEN_CLIP_FILE = "processor_config.json", "open_clip_config.json"
INTERPOLATIONS = {"bicubic": "bicubic", "bilinear": "bilinear", "random": "bicubic"}


def beside(path, side):
    """The Preparation of a checkpoint whose visual tower sees `side` x `side` pixels.

    OpenAI's where no file says anything. Raises Refusal for what is not possible, and where two
    files contradict each other.
    """
    said = {}
    for file, content, read in (_hugging_face(path), _open_clip(path)):
        if content is None:
            continue
        try:
            said[str(file)] = read(content, side)[1]
        except ValueError as error:
            raise command.Refusal(
                f"{file}: {error}; correct the file, or remove it if it is not this model's"
            ) from None
    if len({*said.values()}) > 1:
        raise command.Refusal(
            f"{' and '.join(said)} ask for different pictures: remove the one that does not belong"
            " to the weights"
        )
    return next(iter(said.values()), OPENAI)


def _hugging_face(path):
    """(file, content or None, what reads it)."""
    file, content = _section(path, PROCESSOR_FILE, "image_processor")
    if content is None:
        file = described.beside(path, preprocessor.FILE)
        content = described.read(file) if file.exists() else None
    return file, content, preprocessor.read


def _open_clip(path):
    return *_section(path, OPEN_CLIP_FILE, "preprocess_cfg"), open_clip


def _section(path, name, key):
    file = described.beside(path, name)
    return file, described.section(described.read(file), key, file)


def open_clip(content, side):
    """(side, Preparation) that a `preprocess_cfg` asks for, as open_clip's transform takes it."""
    fields = preprocessor.fields(content).items()
    given = {f"preprocess_cfg.{name}": value for name, value in fields}

    def chosen(name, possible):
        value = given.get(name, possible[0])
        if value not in possible:
            preprocessor.refuse(name, value, " or ".join(map(str, possible)))
        return value

    chosen("preprocess_cfg.mode", ["RGB"])
    size = given.get("preprocess_cfg.size", side)
    if size not in (side, [side], [side, side]):
        preprocessor.refuse("preprocess_cfg.size", size, f"{side}, which is the tower's")
    interpolation = chosen("preprocess_cfg.interpolation", [*INTERPOLATIONS])
    resize = chosen("preprocess_cfg.resize_mode", [*RESIZED])
    if resize == "longest":  # no other mode has a fill_color
        chosen("preprocess_cfg.fill_color", [0])
    mean, std = preprocessor.channels(given, "preprocess_cfg.mean", "preprocess_cfg.std")
    return side, Preparation(mean, std, INTERPOLATIONS[interpolation], resize)
