"""The pipeline: a verb is a stage, a noun a library of the stages."""

from clip_onnx import command

command.say_interruptions()
