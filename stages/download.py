"""Fetch a checkpoint and store its weights and its tokenizer without torch's formats.

    python -m stages.download MODEL data/checkpoints/MODEL

The source and its SHA-256 are `models.MODEL` of params.yaml.
"""

import argparse

import torch
from safetensors.torch import save_file

from stages import checkpoint, command, openai, params, tokens, weights


def own_memory(tensor):
    """The tensor, copied if it is a view of another's memory, which safetensors refuses."""
    whole = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes
    return tensor if whole else tensor.clone(memory_format=torch.contiguous_format)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("output")
    arguments = parser.parse_args()
    model = params.lookup(params.load().models, arguments.model, "models")
    state = checkpoint.load(model.source, model.sha256)
    with command.output(arguments.output) as directory:
        tensors = {name: own_memory(tensor) for name, tensor in state.items()}
        save_file(tensors, directory / weights.FILE, metadata={"sha256": model.sha256})
        tokens.from_bpe(openai.BPE).save(str(directory / "tokenizer.json"))


if __name__ == "__main__":
    command.run(main)
