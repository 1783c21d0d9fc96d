"""The two towers of a CLIP as torch modules whose traces are clean graphs.

Parameters carry OpenAI's names, so a tower's state dict is a part of the checkpoint's. The
arithmetic is clip/model.py's, with what other CLIPs have in its place (network.Blocks); only the
attention is written out, batch first, so that every dimension but the batch and the text's length
is static in the trace.

`steps` of a tower are its parts in the order in which they run, so that a model too large for
memory can be taken through them one by one.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from clip_onnx.checkpoint.network import MEAN_OF_NORMS, NORM_OF_MEAN, TOKEN
from clip_onnx.openai import ModifiedResNet
from clip_onnx.openai.activations import ACTIVATIONS


class Step(NamedTuple):
    """A part of a tower that runs by itself: run(what the step before gave, the batch)."""

    run: Callable
    members: tuple[str, ...]  # of the tower; their parameters are all that it reads


def attend(q, k, v, heads, mask=None):
    """Multi-head attention of q [B, Q, D] over k, v [B, K, D] → [B, Q, D]."""
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))  # [B, H, L, D / H]
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # [B, H, Q, K]
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x, mask):
        q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        return self.out_proj(attend(q, k, v, self.heads, mask))


class Feedforward(nn.Module):
    def __init__(self, width, how):
        super().__init__()
        inner = how.mlp_width or 4 * width
        self.c_fc = nn.Linear(width, inner)
        self.c_proj = nn.Linear(inner, width)
        self.activation = ACTIVATIONS[how.activation]

    def forward(self, x):
        return self.c_proj(self.activation(self.c_fc(x)))


class LayerScale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    def __init__(self, width, how):
        super().__init__()
        scale = LayerScale if how.layer_scale else nn.Identity
        self.attn = Attention(width, width // how.head_width)
        self.ln_1 = nn.LayerNorm(width, how.eps)
        self.ls_1 = scale(width)
        self.mlp = Feedforward(width, how)
        self.ln_2 = nn.LayerNorm(width, how.eps)
        self.ls_2 = scale(width)

    def forward(self, x, mask):
        x = x + self.ls_1(self.attn(self.ln_1(x), mask))
        return x + self.ls_2(self.mlp(self.ln_2(x)))


class Transformer(nn.Module):
    def __init__(self, width, layers, how):
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, how) for _ in range(layers))

    def forward(self, x, mask=None):
        for block in self.resblocks:
            x = block(x, mask)
        return x


def blocks(transformer, mask):
    """The steps of a transformer; mask(batch) is what its blocks get."""
    for number, block in enumerate(transformer.resblocks):

        def run(x, batch, block=block):
            return block(x, mask(batch))

        yield Step(run, (f"transformer.resblocks.{number}",))


POOLED = {  # what is projected of a picture's tokens [B, 1 + patches, width], the class token first
    TOKEN: lambda x, norm: norm(x[:, 0]),
    NORM_OF_MEAN: lambda x, norm: norm(x[:, 1:].mean(1)),
    MEAN_OF_NORMS: lambda x, norm: norm(x)[:, 1:].mean(1),
}


class VisionTransformer(nn.Module):
    """pixel_values [B, 3, R, R] → image_embeds [B, E]."""

    def __init__(self, a):
        super().__init__()
        width, tokens = a.vision_width, (a.resolution // a.patch_size) ** 2 + 1
        self.conv1 = nn.Conv2d(3, width, a.patch_size, a.patch_size, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(tokens, width))
        self.ln_pre = nn.LayerNorm(width, a.visual.eps) if a.visual.pre_norm else nn.Identity()
        self.transformer = Transformer(width, a.vision_layers, a.visual)
        self.ln_post = nn.LayerNorm(width, a.visual.eps)
        self.proj = nn.Parameter(torch.empty(width, a.embed_dim))
        self.pooled = POOLED[a.visual.pooling]

    def embed(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)  # [B, tokens - 1, width]
        x = torch.cat([self.class_embedding.expand(x.shape[0], 1, -1), x], dim=1)
        return self.ln_pre(x + self.positional_embedding)

    def pool(self, x):
        return self.pooled(x, self.ln_post) @ self.proj

    def forward(self, x):
        return self.pool(self.transformer(self.embed(x)))

    def steps(self):
        first = ("conv1", "class_embedding", "positional_embedding", "ln_pre")
        yield Step(lambda _, batch: self.embed(batch), first)
        yield from blocks(self.transformer, lambda _: None)
        yield Step(lambda x, _: self.pool(x), ("ln_post", "proj"))


class AttentionPool(nn.Module):
    """feature map [B, C, h, w] → [B, E]: the mean of the map attends to the map."""

    def __init__(self, a):
        super().__init__()
        width = a.vision_width * 32
        self.positional_embedding = nn.Parameter(torch.empty((a.resolution // 32) ** 2 + 1, width))
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, a.embed_dim)
        self.heads = a.vision_heads

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)  # [B, h·w, C]
        x = torch.cat([x.mean(1, keepdim=True), x], dim=1) + self.positional_embedding
        q, k, v = self.q_proj(x[:, :1]), self.k_proj(x), self.v_proj(x)
        return self.c_proj(attend(q, k, v, self.heads).squeeze(1))


class ResNet(ModifiedResNet):
    """pixel_values [B, 3, R, R] → image_embeds [B, E]: OpenAI's module, its pooling rewritten."""

    def __init__(self, a):
        super().__init__(a.vision_layers, a.embed_dim, a.vision_heads, a.resolution, a.vision_width)
        self.attnpool = AttentionPool(a)

    def stem(self, x):
        for number in (1, 2, 3):
            convolution, norm, relu = (
                getattr(self, f"{name}{number}") for name in ("conv", "bn", "relu")
            )
            x = relu(norm(convolution(x)))
        return self.avgpool(x)

    def steps(self):
        first = tuple(f"{name}{number}" for number in (1, 2, 3) for name in ("conv", "bn"))
        yield Step(lambda _, batch: self.stem(batch), first)
        for layer in ("layer1", "layer2", "layer3", "layer4"):
            for number, block in enumerate(getattr(self, layer)):
                yield Step(lambda x, _, block=block: block(x), (f"{layer}.{number}",))
        yield Step(lambda x, _: self.attnpool(x), ("attnpool",))


TABLE = "token_embedding.weight"


def causal_mask(length):
    """float32 [length, length]: 0 where a token may look, -inf at what follows it."""
    return torch.full((length, length), float("-inf")).triu_(1)


class TextTransformer(nn.Module):
    """input_ids [B, S ≤ context] → text_embeds [B, E], taken at the first EOT token.

    CLIP's EOT has the highest id, so it is the integers' argmax; half precision cannot tell it from
    the start token. Others' has the `end_id`. What follows EOT, padding of any kind, is behind the
    causal mask.
    """

    def __init__(self, a):
        super().__init__()
        width = a.text_width
        self.token_embedding = nn.Embedding(a.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(a.context_length, width))
        self.transformer = Transformer(width, a.text_layers, a.textual)
        self.ln_final = nn.LayerNorm(width, a.textual.eps)
        self.text_projection = nn.Parameter(torch.empty(width, a.embed_dim))
        self.end_id = a.textual.end_id
        self.register_buffer("causal_mask", causal_mask(a.context_length), persistent=False)

    def embed(self, input_ids):
        return self.token_embedding(input_ids) + self.positional_embedding[: input_ids.shape[1]]

    def mask(self, input_ids):
        length = input_ids.shape[1]
        return self.causal_mask[:length, :length]

    def pool(self, x, input_ids):
        ids = input_ids.to(torch.int32)
        eot = ids if self.end_id is None else (ids == self.end_id).to(torch.int32)
        x = x[torch.arange(x.shape[0]), eot.argmax(-1)]  # [B, width]
        return self.ln_final(x) @ self.text_projection

    def forward(self, input_ids):
        x = self.transformer(self.embed(input_ids), self.mask(input_ids))
        return self.pool(x, input_ids)

    def steps(self):
        first = ("token_embedding", "positional_embedding")
        yield Step(lambda _, batch: self.embed(batch), first)
        yield from blocks(self.transformer, self.mask)
        yield Step(self.pool, ("ln_final", "text_projection"))


def build(architecture, tower):
    """The `visual` or `textual` module, in evaluation mode, with uninitialised parameters."""
    if tower == "textual":
        return TextTransformer(architecture).eval()
    visual = VisionTransformer if architecture.vit else ResNet
    return visual(architecture).eval()


def expected_shapes(architecture):
    """{name: shape} of every tensor that a checkpoint of an architecture holds."""
    found = {"logit_scale": ()} if architecture.whole else {}
    for tower in architecture.towers:
        with torch.device("meta"):
            state = build(architecture, tower).state_dict()
        prefix = "visual." if tower == "visual" else ""
        found |= {prefix + name: tuple(tensor.shape) for name, tensor in state.items()}
    return found
