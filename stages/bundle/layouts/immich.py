"""The folder that immich's machine learning reads, in place of a model of its list in its cache.

    config.json
    textual/model.onnx     text int32 [batch, context] -> embedding float32 [batch, E], of length 1
    textual/tokenizer.json, tokenizer_config.json
    visual/model.onnx      image float32 [batch, 3, R, R] -> embedding
    visual/preprocess_cfg.json

As its code reads it (machine-learning/immich_ml/models/clip of github.com/immich-app/immich): it
pads texts with `pad_token` and takes the first output.
"""

import json
import shutil

import onnx_ir as ir

from clip_onnx import command
from clip_onnx.host import tokens
from stages.bundle import layouts


def write(parts, folder):
    """Write the layout of the towers that there are into a new folder. Raises Refusal for pictures
    that immich prepares in another way."""
    if "visual" in parts.sizes.towers and parts.preparation.resize != "shortest":
        raise command.Refusal(
            f"bundle.layouts.immich: immich crops every picture, and {parts.model} sees whole ones:"
            " take the layout out of params.yaml"
        )
    folder.mkdir()
    _json(folder / "config.json", configuration(parts.sizes))
    if "visual" in parts.sizes.towers:
        names = {"pixel_values": "image", "image_embeds": "embedding"}
        layouts.tower(parts, "visual", folder / "visual", names, unit=True)
        prepared = preprocessing(parts.sizes.resolution, parts.preparation)
        _json(folder / "visual/preprocess_cfg.json", prepared)
    if "textual" in parts.sizes.towers:
        names = {"input_ids": "text", "text_embeds": "embedding"}
        layouts.tower(parts, "textual", folder / "textual", names, ir.DataType.INT32, unit=True)
        shutil.copyfile(parts.checkpoint / tokens.FILE, folder / "textual" / tokens.FILE)
        named = {"pad_token": padding(parts.checkpoint, parts.sizes.textual.end_id)}
        _json(folder / "textual" / tokens.CONFIG_FILE, named)


def padding(checkpoint, end_id):
    """The token that texts are padded with, by the tokenizer_config.json of other tokens than
    CLIP's; that which ends them where it names none that the tokenizer knows."""
    found = (tokens.configuration(checkpoint) or {}).get("pad_token")
    token = found["content"] if isinstance(found, dict) else found
    tokenizer = tokens.load(checkpoint / tokens.FILE, context=None)
    known = token is not None and tokenizer.token_to_id(token) is not None
    return token if known else tokenizer.id_to_token(end_id or tokens.END_ID)


def configuration(sizes):
    """open_clip's configuration of a model, as far as immich asks for it."""
    found = {"embed_dim": sizes.embed_dim}
    if "visual" in sizes.towers:
        found["vision_cfg"] = {"image_size": sizes.resolution}
    if "textual" in sizes.towers:
        lengths = {"context_length": sizes.context_length, "vocab_size": sizes.vocab_size}
        found["text_cfg"] = lengths
    return found


def preprocessing(side, preparation):
    """open_clip's description of how a picture is prepared."""
    return {
        "size": [side, side],
        "mode": "RGB",
        "mean": list(preparation.mean),
        "std": list(preparation.std),
        "interpolation": preparation.interpolation,
        "resize_mode": preparation.resize,
        "fill_color": 0,
    }


def _json(path, content):
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", "utf-8")
