"""The modules that define a checkpoint, and what they compute of pictures and texts.

OpenAI's where the network is OpenAI's; those of other packages are in definitions.py.
"""

import dataclasses

import torch

from clip_onnx import command
from clip_onnx.checkpoint import architecture, network, weights
from clip_onnx.host import tokens
from clip_onnx.openai import (
    CLIP,
    Bottleneck,
    LayerNorm,
    ResidualAttentionBlock,
    definitions,
    tokenize,
    towers,
)
from clip_onnx.openai.definitions import Definition
from clip_onnx.openai.names import openai_name

BLOCKS = (Bottleneck, ResidualAttentionBlock)  # of which one tower has many, one after the other
SHOWN = 60  # characters of a text that a message repeats
# OpenAI's module always has both towers: these sizes are of one that the checkpoint lacks.
STAND_INS = {
    "visual": {"resolution": 1, "vision_layers": 1, "vision_width": 64, "patch_size": 1},
    "textual": {"context_length": 1, "vocab_size": 1, "text_width": 64, "text_layers": 1},
}


def new_model(sizes):
    """OpenAI's own module for an architecture, as its constructor fills it."""
    for tower in STAND_INS.keys() - set(sizes.towers):
        sizes = dataclasses.replace(sizes, **STAND_INS[tower])
    return CLIP(
        sizes.embed_dim,
        sizes.resolution,
        sizes.vision_layers,
        sizes.vision_width,
        sizes.patch_size,
        sizes.context_length,
        sizes.vocab_size,
        sizes.text_width,
        sizes.text_heads,
        sizes.text_layers,
    )


def empty_model(sizes):
    """`new_model` on the meta device: shapes without storage."""
    with torch.device("meta"):
        return new_model(sizes)


def openai(sizes):
    """The Definition of a network that is OpenAI's."""
    model = empty_model(sizes)
    lift_casts(model)

    def settle():
        for block in model.transformer.resblocks:
            block.attn_mask = model.build_attention_mask()  # the meta device kept only its shape

    return Definition(model, BLOCKS, lambda name, t: {name: t}, settle)


def defined(directory):
    """The Definition of data/checkpoints/MODEL. Refuses one whose package is not installed."""
    found = network.read(directory)
    if found.family == network.OPENAI:
        return openai(architecture.of(directory))
    return definitions.OF[found.family](found.configuration)


def load_tower(directory, tower, dtype=torch.float32, block_by_block=False):
    """The module that defines a checkpoint, computing in a dtype, with `encode_image` and
    `encode_text`; it has one tower's weights, the other's have no storage.

    `clip.model.build_model` would first round everything to half precision. That changes nothing
    in OpenAI's files, which are stored rounded, but it would falsify a checkpoint that is not.
    With `block_by_block`, weights of blocks stay as stored until their block runs, and the token
    table does, for few of its rows are looked up: in float64 they are four times OpenAI's half
    precision.
    """
    definition = defined(directory)
    model = definition.model.to(dtype)
    blocks = [name for name, part in model.named_modules() if isinstance(part, definition.blocks)]
    inside, state = tuple(f"{block}." for block in blocks), {}
    for name in weights.shapes(directory):
        if architecture.tower_of(name) == tower:
            stored = torch.from_numpy(weights.read(directory, name))
            for theirs, tensor in definition.named(name, stored).items():
                waits = block_by_block and (theirs.startswith(inside) or name == towers.TABLE)
                state[theirs] = tensor if waits else cast(tensor, dtype)
    missing, unknown = model.load_state_dict(state, assign=True, strict=False)
    lacking = [name for name in missing if architecture.tower_of(openai_name(name)) == tower]
    assert not lacking and not unknown, (lacking, unknown)
    definition.settle()
    if block_by_block:
        for block in blocks:
            cast_while_it_runs(model.get_submodule(block), dtype)
    return model.eval()


def cast_while_it_runs(block, dtype):
    """Let a block hold its weights as stored, and in a dtype only while it computes."""
    stored = [(one, one.data) for one in (*block.parameters(), *block.buffers())]

    def set_to(weight):
        for one, data in stored:
            one.data = weight(data)

    block.register_forward_pre_hook(lambda *_: set_to(lambda data: cast(data, dtype)))
    block.register_forward_hook(lambda *_: set_to(lambda data: data))


def lift_casts(model):
    """Let OpenAI's LayerNorm compute in the type of its inputs, not in fp32 whatever they are."""
    for part in model.modules():
        if isinstance(part, LayerNorm):
            part.forward = super(LayerNorm, part).forward


def cast(tensor, dtype):
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def token_ids(directory, texts, sizes):
    """int32 [n, context]: texts in the tokens of data/checkpoints/MODEL, as the package makes them
    that defines these: OpenAI's, or transformers. Cut to what the model reads, padded with 0.

    Says on stdout where tokenizer.json alone makes others of them, which shows in the figures.
    """
    context, end_id = sizes.context_length, sizes.textual.end_id
    if end_id is None:
        return tokenize(texts, context_length=context, truncate=True)
    rows = definitions.token_rows(directory, texts, context)
    own = tokens.encode(tokens.load(directory / tokens.FILE, context), texts)
    without = [text for text, row in zip(texts, rows, strict=True) if end_id not in row]
    if without:
        raise command.Refusal(
            f"{directory}: transformers ends {_cut(without[0])} without token {end_id}, which the"
            f" weights look for: correct {tokens.CONFIG_FILE}"
        )
    both = zip(texts, rows, own, strict=True)
    others = [text for text, theirs, ours in both if theirs != ours]
    if others:
        print(
            f"{directory}: of {len(others)} of {len(texts)} texts {tokens.FILE} makes other tokens"
            f" than transformers, {_cut(others[0])} for instance: clients get others, too"
        )
    return torch.from_numpy(tokens.pad(rows, 0, context)).int()


def _cut(text):
    """A text in a line, short enough for a message."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


@torch.inference_mode()
def embed(directory, tower, batches, dtype=torch.float64):
    """float32 [n, E] of all the batches, as `encode_image` or `encode_text` returns them.

    Raises Refusal if they are not all finite: nothing can be measured against them.
    """
    model = load_tower(directory, tower, dtype, block_by_block=True)
    encode = model.encode_image if tower == "visual" else model.encode_text
    embeds = torch.cat([encode(batch).float() for batch in batches])
    wrong = int((~embeds.isfinite()).any(-1).sum())
    if wrong:
        raise command.Refusal(
            f"{directory}: {definitions.CODE[network.read(directory).family]} gives no finite"
            f" embedding of {wrong} of {len(embeds)} inputs of the {tower} tower: its weights are"
            " broken, take another checkpoint"
        )
    return embeds
