"""Checkpoints of one tower, as people save them: cut out of whole ones."""

import shlex

import networkx
import torch
from dvc.repo import Repo

from clip_onnx.checkpoint import architecture
from clip_onnx.host import layout
from clip_onnx.openai import names
from stages.download import checkpoints

import small


def part(state, tower):
    """The tensors of one tower."""
    return {name: t for name, t in state.items() if architecture.tower_of(name) == tower}


def in_hugging_faces_names(state):
    """A state dict of OpenAI's names under Hugging Face's, q, k and v apart."""
    found = [names.to_hugging_face(name, tensor) for name, tensor in state.items()]
    return {n: t.float().contiguous() for renamed in found for n, t in renamed.items()}


def hugging_face(archive, sha256, tower, folder):
    """Save one tower of a ViT as transformers does, by its own class. Returns the file."""
    import transformers

    state = part(checkpoints.load(archive, sha256), tower)
    sizes = architecture.read({name: tuple(tensor.shape) for name, tensor in state.items()})
    config = layout.configuration(sizes)["config.json"]
    form = getattr(transformers, layout.CLASSES[tower])
    model = form(form.config_class(**config))
    model.load_state_dict(in_hugging_faces_names(state), strict=True)
    model.save_pretrained(folder)
    return folder / "model.safetensors"


def openai(archive, sha256, tower, folder):
    """Save one tower's part of the state dict under OpenAI's names. Returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(part(checkpoints.load(archive, sha256), tower), folder / "mine.pt")
    return folder / "mine.pt"


def run_pipeline():
    """Run the command of every stage of dvc.yaml in the current folder, each after its deps."""
    with Repo.init(no_scm=True) as repo:
        lines = [stage.cmd for stage in networkx.dfs_postorder_nodes(repo.index.graph)]
    for _, _, module, *arguments in map(shlex.split, lines):
        small.run_stage(module.removeprefix("stages."), *arguments)
