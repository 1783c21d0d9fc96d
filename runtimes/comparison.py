"""What a foreign runtime makes of a file: against OpenAI's code, and against ONNX Runtime."""

import numpy as np

from stages import graph, host, inputs, parity, runtime


def compare(directory, reference, count, run):
    """The metrics of a tower's directory on `count` inputs of the reference, spread over all.

    run: (path of the model, {input: [count, …]}) -> its output [count, …] in the other runtime.
    `cosine_min` is the worst against the reference, `runtime_cosine_min` the worst against ONNX
    Runtime on the same file.
    """
    tower, projection = runtime.session(directory), runtime.projection(directory)
    with inputs.reference(reference) as tensors:
        batch, expected = _sample(tower, reference, tensors, count)
    embeds = run(directory / graph.FILE, runtime.feeds(tower, batch))
    if projection is not None:
        embeds = host.project(embeds, batch, projection)
    size, _ = runtime.fixed_axes(tower)
    own = runtime.run(tower, runtime.batches(batch, size or runtime.BATCH), projection)
    return {
        "inputs": len(batch),
        "cosine_min": round(float(parity.cosine(expected, embeds).min()), 7),
        "runtime_cosine_min": round(float(parity.cosine(own, embeds).min()), 7),
    }


def _sample(tower, reference, tensors, count):
    """(pictures or token rows, their embeddings) of the reference that the tower takes."""
    if tower.get_modelmeta().custom_metadata_map["graph"] == "visual":
        embeds = tensors.get_tensor("image_embeds")
        rows = _spread(len(embeds), count)
        return inputs.pixels(reference, rows), embeds[rows]
    ids, embeds = tensors.get_tensor("input_ids"), tensors.get_tensor("text_embeds")
    _, length = runtime.fixed_axes(tower)
    length = length or ids.shape[1]
    fitting = np.flatnonzero(host.eot_positions(ids) < length)
    rows = fitting[_spread(len(fitting), count)]
    return ids[rows, :length].astype(np.int64), embeds[rows]


def _spread(rows, count):
    return np.linspace(0, rows - 1, min(count, rows)).astype(int)
