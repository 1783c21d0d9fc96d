"""Fetch a checkpoint and store its weights and its tokenizer without torch's formats.

    python -m stages.download MODEL data/checkpoints/MODEL

The source and its SHA-256 are `models.MODEL` of params.yaml.
"""

import argparse

from safetensors.torch import save_file

from stages import checkpoint, command, openai, params, tokens, weights


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("output")
    arguments = parser.parse_args()
    model = params.lookup(params.load().models, arguments.model, "models")
    sha256 = checkpoint.check_sha256(model.source, model.sha256)
    state = checkpoint.read(model.source, pinned=model.sha256 is not None)
    with command.output(arguments.output) as directory:
        save_file(state, directory / weights.FILE, metadata={"sha256": sha256})
        tokens.from_bpe(openai.BPE).save(str(directory / "tokenizer.json"))


if __name__ == "__main__":
    command.run(main)
