"""open_clip_config.json, field by field, or a network of open_clip's registry by its name."""

import dataclasses
import difflib
import importlib.util
from pathlib import Path

from clip_onnx import command
from clip_onnx.checkpoint.network import (
    GELU,
    GELU_TANH,
    HEAD_WIDTH,
    MEAN_OF_NORMS,
    NORM_OF_MEAN,
    OPEN_CLIP,
    QUICK_GELU,
    TOKEN,
    Blocks,
    Network,
)
from stages.download import described, rules
from stages.download.open_clip_fields import EPS, HARMLESS, SCALE, SECTIONS, TANH, TEXT, TOP
from stages.download.rules import plain

FILE = "open_clip_config.json"


def check(path, sizes, registered=None):
    """The Network that an open_clip_config.json beside weights describes, or open_clip's registry
    under a name; None where there is neither. Refuses what is not built."""
    place = described.beside(path, FILE)
    content, source = described.read(place), FILE
    if registered:
        if described.section(content, "model_cfg", place) is not None:
            raise command.Refusal(
                f"{path}: params.yaml says `open_clip: {registered}`, and {place} describes its"
                " network, too: take one of them out"
            )
        content, source = {"model_cfg": _registered(path, registered)}, f"open_clip's {registered}"
    model = described.section(content, "model_cfg", place)
    if model is None:
        if {"vision_cfg", "text_cfg"} & content.keys():  # as in open_clip's own registry
            raise command.Refusal(
                f"{place} has its sections outside of model_cfg, where open_clip reads them: put"
                " them into it"
            )
        return None
    return _network(path, sizes, model, source)


def _registered(path, name):
    """The `model_cfg` of a network in open_clip's registry, whose code need not be imported."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None:
        raise command.Refusal(
            f"{path}: params.yaml says `open_clip: {name}`, and its package is not installed: run"
            " `pip install open_clip_torch`"
        )
    folder = Path(spec.submodule_search_locations[0]) / "model_configs"
    known = {file.stem: file for file in folder.glob("*.json")}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"take {close[0]}" if close else "`open_clip.list_models()` prints them"
        raise command.Refusal(
            f"{path}: `open_clip: {name}` in params.yaml is no name of open_clip's registry:"
            f" {remedy}"
        )
    return described.read(known[name])


def _network(path, sizes, model, source):
    """The Network of a `model_cfg`, every field of which is checked."""
    _check_section(path, model, TOP, sizes, "model_cfg", source)
    quick = model.get("quick_gelu", False)
    blocks, sections = {}, {}
    for tower in sizes.towers:
        name, table = SECTIONS[tower]
        section = described.section(model, name, source)
        if section is not None:
            _check_section(path, {SCALE: None} | section, table, sizes, name, source)
            if quick and section.get("act_kwargs"):
                shown = described.shown(section["act_kwargs"])
                what = f"act_kwargs in {name} of {source}"
                raise rules.refusal(path, what, shown, "computes QuickGELU, which takes none")
            sections[name] = rules.completed(section, table, sizes)
            blocks[tower] = _blocks(sections[name], sizes, tower, quick)
    top = {"embed_dim": sizes.embed_dim, "quick_gelu": quick}
    return Network(OPEN_CLIP, top | sections, **blocks)


def _blocks(section, sizes, tower, quick):
    """The Blocks of a tower, whose MLPs' width the tensors say."""
    if not plain(sizes):
        return getattr(sizes, tower)
    pooling = TOKEN
    if tower == "visual":
        head_width = section.get("head_width", HEAD_WIDTH)
        if section.get("pool_type") == "avg":
            pooling = NORM_OF_MEAN if section.get("final_ln_after_pool") else MEAN_OF_NORMS
    else:
        head_width = sizes.text_width // section.get("heads", TEXT["heads"].absent)
    tanh = section.get("act_kwargs") == TANH
    return dataclasses.replace(
        getattr(sizes, tower),
        activation=QUICK_GELU if quick else GELU_TANH if tanh else GELU,
        eps=(section.get("norm_kwargs") or EPS).get("eps", EPS["eps"]),
        head_width=head_width,
        pooling=pooling,
    )


def without_configuration(sizes):
    """The Network of open_clip's code with GELU, by the tensors alone: heads of 64."""
    sections = {SECTIONS[t][0]: rules.completed({}, SECTIONS[t][1], sizes) for t in sizes.towers}
    if "textual" in sizes.towers:
        sections["text_cfg"]["heads"] = sizes.text_heads
    blocks = {tower: Blocks(activation=GELU) for tower in sizes.towers}
    return Network(
        OPEN_CLIP, {"embed_dim": sizes.embed_dim, "quick_gelu": False} | sections, **blocks
    )


def _check_section(path, section, table, sizes, name, source):
    place = f"{name} of {source}"
    rules.check(path, section, table, sizes, place)
    rules.check_known(path, section, table.keys() | HARMLESS[name], place)
