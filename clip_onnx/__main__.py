"""The command `clip-onnx`, or `python -m clip_onnx`: clip_onnx/cli.py."""

from clip_onnx import command


def main() -> None:
    command.say_interruptions()
    from clip_onnx.cli import main as run  # which takes a while, and may be interrupted

    run()


if __name__ == "__main__":
    main()
