"""`python -m clip_onnx` is the command `clip-onnx`: clip_onnx/cli.py."""

from clip_onnx.cli import main

if __name__ == "__main__":
    main()
