"""TorchScript archives, the format in which OpenAI published its checkpoints."""

import contextlib
import os
import warnings

import torch

BOOKKEEPING = ("input_resolution", "context_length", "vocab_size")  # in state dicts, no weights


@contextlib.contextmanager
def deprecated_format():
    """torch.jit is deprecated, and TorchScript is the format that OpenAI published."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit")
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # of shape checks
        yield


def write_archive(model, path):
    """Write a `clip.model.CLIP` in half precision as OpenAI publishes its own.

    A traced TorchScript archive whose state dict also names resolution, context and vocabulary.
    The trace's source locations are left out: they hold paths of the machine. A fresh process
    writes the same bytes again; within one, torch numbers the traced classes on and on.
    """
    values = model.visual.input_resolution, model.context_length, model.vocab_size
    for name, value in zip(BOOKKEEPING, values, strict=True):
        model.__dict__.pop(name, None)
        model.register_buffer(name, torch.tensor(value))
    side, length = values[:2]
    example = torch.zeros(1, 3, side, side), torch.ones(1, length, dtype=torch.int32)
    with deprecated_format():
        torch.jit.trace(model, example, check_trace=False).save(f"{path}.traced")
    archive = torch._C.PyTorchFileReader(f"{path}.traced")
    writer = torch._C.PyTorchFileWriter(f"{path}.tmp")
    for name in archive.get_all_records():
        if not (
            name.endswith(".debug_pkl") or name.startswith((".data/", "traced_inputs", "version"))
        ):
            content = archive.get_record(name)
            writer.write_record(name, content, len(content))
    writer.write_end_of_file()
    os.remove(f"{path}.traced")
    os.replace(f"{path}.tmp", path)
