"""A static site that runs the bundles in the browser."""

from clip_onnx import command

command.say_interruptions()
