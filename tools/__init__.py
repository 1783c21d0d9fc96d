"""Programs for people: none is part of the pipeline."""

from clip_onnx import command

command.say_interruptions()
