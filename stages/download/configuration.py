"""What weights do not say: the activation, the pooling, the tokenizer. Files beside them do.

They also say whose code defines a checkpoint: OpenAI's where they describe its network, else
open_clip's or transformers'. A network that the towers here do not compute is refused, for what
is built of it would be wrong.
"""

from clip_onnx import command
from clip_onnx.checkpoint.network import GELU, HUGGING_FACE, OPEN_CLIP, QUICK_GELU, Blocks, Network
from stages.download import alone, families, hugging_face, open_clip, rules, tokenizer

DESCRIBED = {OPEN_CLIP: open_clip, HUGGING_FACE: hugging_face}


def check(path, sizes, stated, names=families.OPENAI, usual=None, registered=None):
    """The Network of a checkpoint whose tensors had OpenAI's `names`, or Hugging Face's.

    `stated` is its `activation` in params.yaml, for a file without a configuration beside it, and
    `usual` what such a file has where params.yaml says nothing; `registered` is its `open_clip`
    there, the name of a configuration. Refuses a checkpoint whose network is not known, or not
    built.
    """
    own = HUGGING_FACE if names == families.HUGGING_FACE else OPEN_CLIP
    order = sorted(DESCRIBED, key=lambda family: family != own)
    checks = {
        OPEN_CLIP: lambda: open_clip.check(path, sizes, registered),
        HUGGING_FACE: lambda: hugging_face.check(path, sizes),
    }
    said = [network for family in order if (network := checks[family]())]
    others = None
    if "textual" in sizes.towers:
        others = tokenizer.own(path)
        tokenizer.check_size(path, sizes, others)
    if not said:
        network = _bare(path, sizes, stated or usual, own)
        return tokenizer.checked(path, network, sizes, others)
    if not rules.plain(sizes):
        alone.check(path, sizes)
    network = said[0]
    if network.family != OPEN_CLIP and (problem := alone.of_open_clip(sizes)):
        raise command.Refusal(
            f"{path} is open_clip's network, for {problem}: put its {open_clip.FILE} beside it"
        )
    if any(other.blocks != network.blocks for other in said):
        raise command.Refusal(
            f"{hugging_face.FILE} and {open_clip.FILE} beside {path} describe different networks:"
            " remove the one that does not belong to it"
        )
    _check_stated(path, network, sizes, stated)
    _check_registered(path, network, sizes, registered, usual)
    if "textual" in sizes.towers:
        network = tokenizer.checked(path, network, sizes, others)
    if {*network.blocks.values()} == {Blocks()}:
        return Network()
    _check_complete(path, network, sizes)
    return network


def _check_stated(path, network, sizes, stated):
    """Refuse an activation of params.yaml that the configuration contradicts."""
    for tower in sizes.towers:
        activation = network.blocks[tower].activation
        if stated and not activation.startswith(stated):
            raise command.Refusal(
                f"{path}: activation in params.yaml is {stated}, the configuration beside it says"
                f" {activation} of the {tower} tower: take `activation` out, or correct the file"
            )


def _check_registered(path, network, sizes, name, usual):
    """Refuse a network of open_clip's registry that weights of this form never have."""
    for tower in sizes.towers:
        activation = network.blocks[tower].activation
        if name and usual not in (None, activation):
            raise command.Refusal(
                f"{path}: params.yaml says `open_clip: {name}`, which computes {activation}, and it"
                f" is an archive of OpenAI's form, which computes {usual}: take the name that ends"
                " in -quickgelu"
            )


def _check_complete(path, network, sizes):
    """Refuse a configuration that is silent about a tower, where it is not OpenAI's network."""
    for tower in sizes.towers:
        name = described_as(network.family, tower)
        if name not in network.configuration:
            raise command.Refusal(
                f"{path} is another network than OpenAI's, and the configuration beside it has no"
                f" {name}: add it"
            )


def described_as(family, tower):
    """The section of a family's configuration that describes a tower."""
    section = DESCRIBED[family].SECTIONS[tower]
    return section if isinstance(section, str) else section[0]


def _bare(path, sizes, stated, own):
    """The Network of weights without a configuration, by the `activation` of params.yaml."""
    if not stated:
        raise command.Refusal(
            f"{path} does not say which activation it was trained with: add `activation:"
            f" {QUICK_GELU}` to it in params.yaml if it is OpenAI's (open_clip's names of such"
            f" models end in -quickgelu), `activation: {GELU}` if it is another of open_clip's,"
            " `open_clip: NAME` with its name there, or put its config.json beside it"
        )
    alone.check(path, sizes)
    if stated == QUICK_GELU:
        return Network()
    if own == HUGGING_FACE or not rules.plain(sizes):
        raise rules.refusal(
            path,
            "activation in params.yaml",
            stated,
            f"computes {QUICK_GELU}; put its configuration beside it if that is right",
        )
    return open_clip.without_configuration(sizes)
