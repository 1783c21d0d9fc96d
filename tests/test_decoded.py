"""A large file's session computes what the file's own does, to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from clip_onnx import graphs
from clip_onnx.host import sessions
from clip_onnx.measure import inputs
from stages.evaluate import decoded

import small

ENCODINGS = [
    e for e in small.ALL if e not in ("fp32", "fp16", "int8-dynamic")
]  # which decode nothing


def given(built, model, tower):
    reference = built / "data/reference" / model
    if tower == "visual":
        return [inputs.pixels(reference, range(4))]
    with inputs.reference(reference) as tensors:
        return [np.array([row]) for row in inputs.token_rows(tensors)[:4]]


@pytest.mark.parametrize("tower", ["visual", "textual"])
@pytest.mark.parametrize("model", small.KINDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_weights_are_decoded_to_the_same_numbers(
    built, tmp_path, monkeypatch, model, tower, encoding
):
    directory = built / f"data/models/{model}/{tower}/{encoding}"
    batches = given(built, model, tower)
    expected = sessions.run(sessions.session(directory), batches)
    loaded = []
    monkeypatch.setattr(decoded, "LARGE", 0)
    monkeypatch.setattr(decoded, "WORK", tmp_path)
    own = sessions.session
    monkeypatch.setattr(decoded.sessions, "session", lambda at: loaded.append(at) or own(at))
    session = decoded.session(directory)
    assert (sessions.run(session, batches) == expected).all()
    assert loaded[0].is_relative_to(tmp_path) and not any(tmp_path.iterdir())
    about = session.get_modelmeta().custom_metadata_map
    assert about == own(directory).get_modelmeta().custom_metadata_map


def test_what_integers_multiply_is_not_decoded(built, tmp_path, monkeypatch):
    directory = built / "data/models/rn/visual/int8-static"
    batches = given(built, "rn", "visual")
    expected = sessions.run(sessions.session(directory), batches)
    monkeypatch.setattr(decoded, "LARGE", 0)
    monkeypatch.setattr(decoded, "WORK", tmp_path)
    assert (sessions.run(decoded.session(directory), batches) == expected).all()
    quantized = [n for n in graphs.load(directory).graph if n.op_type == "DequantizeLinear"]
    values = {value.name for value in decoded.decoded(graphs.load(directory))}
    assert quantized and values.isdisjoint(node.outputs[0].name for node in quantized)


def test_what_is_decoded_is_what_the_rest_reads(built):
    model = graphs.load(built / "data/models/vit/visual/int4w")
    values = decoded.decoded(model)
    products = [node for node in model.graph if node.op_type in ("MatMul", "Conv")]
    weights = {node.inputs[1] for node in products}
    assert len(weights & {*values}) >= 10
    assert not any(value.name in model.graph.initializers for value in values)


@pytest.mark.parametrize("encoding", ["fp32", "int4w"])
def test_small_files_and_fp32_ones_are_loaded_as_they_are(built, monkeypatch, encoding):
    directory = built / f"data/models/vit/visual/{encoding}"
    loaded = []
    monkeypatch.setattr(decoded.sessions, "session", loaded.append)
    decoded.session(directory)
    assert loaded == [Path(directory)]
