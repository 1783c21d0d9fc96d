"""What a path stands for: one file of weights, a folder that holds one, or shards with their index.

The SHA-256 of one file is its own. That of shards is the SHA-256 of what `sha256sum` prints of the
index and then of the shards in the order of their names, so that it covers every byte that counts:

    sha256sum model.safetensors.index.json model-*-of-*.safetensors | sha256sum
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from clip_onnx import command
from stages.download import described, listing

INDEX = ".index.json"  # how the names of indexes end
IN_FOLDERS = (  # the first that is there counts
    "model.safetensors",
    f"model.safetensors{INDEX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX}",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
)


class Source(NamedTuple):
    """`path` is what messages name. `shards` is {file: names of its tensors}, or None."""

    path: Path
    shards: dict[Path, set[str]] | None = None

    @property
    def files(self):
        """The files that hold tensors."""
        return [self.path] if self.shards is None else list(self.shards)

    @property
    def size(self):
        return sum(file.stat().st_size for file in self.files)


def find(path):
    """The Source that a path stands for. Nothing but an index is read."""
    path = Path(path)
    try:
        if path.is_dir():
            path = _in_folder(path)
        path.stat()
    except OSError as error:
        raise command.Refusal(
            f"{path} cannot be read ({error.strerror}): correct its `source` in params.yaml"
        ) from None
    if not path.is_file():
        raise command.Refusal(f"{path} is no file and no folder: correct its `source`")
    if path.name.endswith(INDEX):
        return Source(path, _shards(path))
    return Source(path)


def _in_folder(folder):
    for name in IN_FOLDERS:
        if (folder / name).exists():
            return folder / name
    raise command.Refusal(
        f"{folder} holds none of {', '.join(IN_FOLDERS)}: name the file itself as `source`"
    )


def _shards(path):
    """{file: names of its tensors} of an index, in the order of the files' names."""
    index = described.read(path)
    names = described.section(index, "weight_map", path)
    if not names:
        raise command.Refusal(f"{path} has no weight_map, so it names no shards: fetch it again")
    shards = {}
    for tensor, name in names.items():
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise command.Refusal(
                f"{path} puts a tensor into {described.shown(name)}: shards lie beside their index"
            )
        shards.setdefault(name, set()).add(tensor)
    present = {file.name for file in path.parent.iterdir() if file.is_file()}
    missing = shards.keys() - present
    if missing:
        raise command.Refusal(
            f"{path} names {listing.listed(missing)}, which its folder lacks: fetch them, too"
        )
    return {path.parent / name: shards[name] for name in sorted(shards)}


def digest(source):
    """The SHA-256 that pins a source (see above)."""
    if source.shards is None:
        return digest_of(source.path)
    lines = [f"{digest_of(file)}  {file.name}\n" for file in (source.path, *source.files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest_of(path):
    """The SHA-256 of one file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise command.Refusal(
            f"{path} cannot be read ({error.strerror}): correct its `source` in params.yaml"
        ) from None
