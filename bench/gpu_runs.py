"""Functions that run a batch through a tower once, on a GPU: our files, OpenAI's code."""

import functools

import numpy as np
import onnxruntime
import torch

from clip_onnx import command, graphs
from clip_onnx.checkpoint import weights
from clip_onnx.openai import build_model

PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


def onnx_run(directory, batch, device, **options):
    """A function that runs a file once: its embeddings, which stay on the device.

    The batch's shape is a constant of the session, as it is one of torch.compile's.
    """
    fixed, provider = onnxruntime.SessionOptions(), PROVIDERS[device]
    for symbol, size in zip(graphs.load(directory).graph.inputs[0].shape, batch.shape, strict=True):
        if not isinstance(symbol, int):
            fixed.add_free_dimension_override_by_name(symbol.value, size)
    file = directory / graphs.FILE
    session = onnxruntime.InferenceSession(file, fixed, providers=[(provider, options)])
    if session.get_providers()[0] != provider:
        raise command.Refusal(f"{directory} does not run on {device}: see ONNX Runtime's message")
    binding, given = session.io_binding(), session.get_inputs()[0].name
    binding.bind_ortvalue_input(given, onnxruntime.OrtValue.ortvalue_from_numpy(batch, device, 0))
    name, shape = session.get_outputs()[0].name, (len(batch), session.get_outputs()[0].shape[-1])
    embeds = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
    binding.bind_ortvalue_output(name, embeds)  # a CUDA graph writes to the same place each time

    def run():
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return binding

    return run


@functools.cache
def webgpu_device():
    """The first GPU of ONNX Runtime's WebGPU plugin, which may be registered once."""
    import onnxruntime_ep_webgpu  # only where it is installed

    name = onnxruntime_ep_webgpu.get_ep_name()
    library = onnxruntime_ep_webgpu.get_library_path()
    onnxruntime.register_execution_provider_library(name, library)
    found = [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]
    if not found:
        raise command.Refusal(
            "onnxruntime-ep-webgpu finds no GPU here: give it Vulkan (libvulkan1), or uninstall it"
        )
    return found[0]


def webgpu_run(directory, batch):
    """A function that runs a file once under WebGPU, copies to the GPU and back included."""
    options = onnxruntime.SessionOptions()
    options.add_provider_for_devices([webgpu_device()], {})
    session = onnxruntime.InferenceSession(directory / graphs.FILE, options)
    feed = {session.get_inputs()[0].name: batch}
    return lambda: session.run(None, feed)[0]


def torch_runs(checkpoint, tower, batch, device):
    """{name: a function that runs OpenAI's code once}, in half precision on a GPU, as clip.load."""
    names = weights.shapes(checkpoint)
    model = build_model({name: torch.from_numpy(weights.read(checkpoint, name)) for name in names})
    model = model.float() if device == "cpu" else model.to(device)
    given = torch.from_numpy(batch).to(device)
    encode = model.encode_image if tower == "visual" else model.encode_text

    def whole(function):
        def run():
            with torch.inference_mode():
                embeds = function(given)
            if device == "cuda":
                torch.cuda.synchronize()
            return embeds

        return run

    compiled = torch.compile(encode, dynamic=False)
    runs = {"pytorch": whole(encode), "torch.compile": whole(compiled)}
    if device == "cuda":
        runs["torch.compile, CUDA graph"] = replayed(compiled, given)
    return runs


@torch.inference_mode()
def replayed(function, given):
    """A function that replays a CUDA graph of another one."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):  # compiles, and fills the allocator's cache
            function(given)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        embeds = function(given)

    def run():
        graph.replay()
        torch.cuda.synchronize()
        return embeds

    return run


def numpy_of(result):
    return result if isinstance(result, np.ndarray) else result.copy_outputs_to_cpu()[0]
