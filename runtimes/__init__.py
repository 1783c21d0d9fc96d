"""Foreign runtimes, one module each, that prove the files made for them."""

from clip_onnx import command

command.say_interruptions()
