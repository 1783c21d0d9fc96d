"""Check params.yaml: `python -m clip_onnx.settings`."""

from clip_onnx import command
from clip_onnx.settings import params

if __name__ == "__main__":
    command.run(params.load)
