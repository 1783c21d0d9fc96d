"""Speed and memory, measured; never a part of `dvc repro`."""

from clip_onnx import command

command.say_interruptions()
