"""Checkpoints as OpenAI and others publish them: reading and checking."""

from clip_onnx import command
from clip_onnx.checkpoint import architecture
from clip_onnx.checkpoint.network import QUICK_GELU
from clip_onnx.names import TOWERS
from clip_onnx.openai import towers
from clip_onnx.openai.names import hugging_face_name, to_openai
from stages.download import (
    configuration,
    containers,
    extras,
    families,
    listing,
    sources,
    tensors,
    wrappers,
)


def load(path, sha256, activation=None):
    """The state dict of `read`."""
    return read(path, sha256, activation)[0]


def read(path, sha256, activation=None, registered=None):
    """(the state dict of a checkpoint with this SHA-256 on the CPU, under OpenAI's names, and its
    Network).

    `path` is a file of weights, a folder that holds one, or an index of shards. The digest is
    checked before anything of the weights is read, because a TorchScript archive runs code when it
    loads. Weights come as stored, but for types that no later stage reads; `activation`, or the
    name of a `registered` network of open_clip's, is what params.yaml says of it. What was changed
    is said on stdout. Raises Refusal.
    """
    source = sources.find(path)
    _check_digest(source, sha256)
    content, scripted = _read(source)
    state, sizes, family = _checked(wrappers.unwrapped(content, source.path), source)
    # OpenAI's own files are such archives, with nothing beside them that says the activation.
    usual = QUICK_GELU if scripted else None
    network = configuration.check(source.path, sizes, activation, family, usual, registered)
    return state, network


def _check_digest(source, sha256):
    digest = sources.digest(source)
    if sha256 is None:
        raise command.Refusal(
            f"{source.path} is not pinned: add `sha256: {digest}` to it in params.yaml once you"
            " trust it (a TorchScript archive runs code when it loads)"
        )
    if digest != sha256:
        raise command.Refusal(
            f"{source.path} has SHA-256 {digest}, params.yaml pins {sha256}: the file is truncated"
            " or another one; fetch it again or correct the pin"
        )


def _read(source):
    """(what the files hold, whether it is a TorchScript archive)."""
    if source.shards is None:
        return containers.read(source.path)
    state = {}
    for file, names in source.shards.items():
        shard = wrappers.unwrapped(containers.read(file)[0], file)
        other = {*map(wrappers.plain, names)} ^ shard.keys()
        if other:
            raise command.Refusal(
                f"{file} and {source.path.name} do not fit together: one of them lacks"
                f" {listing.listed(other)}; fetch both again"
            )
        state |= shard
    return state, False


def _checked(state, source):
    """(the state dict under OpenAI's names, its Architecture, whose names it had).

    Raises Refusal.
    """
    path = source.path
    tensors.check_extent(state, path, source.size)
    family, held = families.of(state, path)
    state = extras.settled(state, path, whole=len(held) == len(TOWERS))
    state = tensors.in_known_types(state, path)
    theirs = str
    if family == families.HUGGING_FACE:
        state, theirs = to_openai(state), hugging_face_name
    what = f"{path} looks like {family} with {_seen(state, held)} and is none"
    sizes = _check_structure(state, what, theirs)
    tensors.check_values(state, path, theirs)
    if not sizes.whole:
        print(f"{path}: it has the {sizes.towers[0]} tower alone; nothing is built of the other")
    return state, sizes, family


def _seen(state, held):
    """What towers a state dict seems to have, in words."""
    visual = "a ResNet" if architecture.has_resnet(state) else "a ViT"
    known = {("visual",): f"{visual} alone", ("textual",): "a textual tower alone"}
    return known.get((*held,), visual)


def _check_structure(state, what, theirs):
    """The Architecture of a state dict, refused unless its names and shapes are those of one CLIP.

    `what` begins the message, which has the names of the file: `theirs(name)`.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    try:
        sizes = architecture.read(shapes)
    except architecture.Lacking as error:
        names = map(theirs, error.names)
        raise command.Refusal(f"{what}: it lacks {listing.listed(names)}") from None
    except ValueError as error:
        raise command.Refusal(f"{what}: {command.one_line(error)}") from None
    expected = towers.expected_shapes(sizes)
    for problem, names in {
        "it lacks": expected.keys() - shapes.keys(),
        "it has an unknown": shapes.keys() - expected.keys(),
        "a wrong shape has": {k for k in shapes if k in expected and shapes[k] != expected[k]},
    }.items():
        if names:
            raise command.Refusal(f"{what}: {problem} {listing.listed(map(theirs, names))}")
    return sizes
