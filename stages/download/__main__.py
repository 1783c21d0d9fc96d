"""Fetch a checkpoint and store its weights, and its tokenizer, without torch's formats.

    python -m stages.download MODEL data/downloads data/checkpoints/MODEL

The source and its SHA-256 are `models.MODEL` of params.yaml: an address (CLIP_MIRROR in the
environment replaces the base of OpenAI's), or the path of a file or a folder, with or without
`file:` before it. A download rests in data/downloads until it is whole and converted. The files
beside the weights, of an address those of `models.MODEL.beside`, are read, too: they say whose code
defines the network, which network.json keeps where it is not OpenAI's
(stages/download/configuration.py), and how pictures are prepared (stages/download/preparation.py).
"""

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from clip_onnx import command
from clip_onnx.checkpoint import architecture, network, weights
from clip_onnx.host import preparation
from clip_onnx.settings import params
from stages.download import addresses, checkpoints, remote, sources, tokenizer
from stages.download.preparation import beside


def own_memory(tensor):
    """The tensor, copied if it is a view of another's memory, which safetensors refuses."""
    whole = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes
    return tensor if whole else tensor.clone(memory_format=torch.contiguous_format)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("downloads", type=Path)
    parser.add_argument("output")
    arguments = parser.parse_args()
    model = params.lookup(params.load().models, arguments.model, "models")
    if model.remote:
        path = remote.fetch(arguments.model, model, arguments.downloads)
    else:
        path = addresses.local_path(model.source)
    state, found = checkpoints.read(path, model.sha256, model.activation, model.open_clip)
    file = sources.find(path).path  # beside which, or what it leads to, the others lie
    sizes = architecture.read({name: tuple(tensor.shape) for name, tensor in state.items()})
    wanted = beside(file, sizes.resolution) if "visual" in sizes.towers else preparation.OPENAI
    with command.output(arguments.output) as directory:
        tensors = {name: own_memory(tensor) for name, tensor in state.items()}
        save_file(tensors, directory / weights.FILE, metadata={"sha256": model.sha256})
        preparation.write(directory, wanted)
        network.write(directory, found)
        if "textual" in sizes.towers:
            tokenizer.keep(file, found, directory)
    if model.remote:
        shutil.rmtree(path.parent)


if __name__ == "__main__":
    command.run(main)
