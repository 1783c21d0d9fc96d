from types import SimpleNamespace

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.encode import packing
from stages.encode.decoding import Decoder


def decoded(integers, bits, axis, table=False):
    """What ONNX Runtime makes of packed integers: int8, integers * 2**(8-bits)."""
    graph = ir.Graph([], [], nodes=[], opset_imports={"": 18}, name="g")
    model = ir.Model(graph, ir_version=9)
    decoder = Decoder.__new__(Decoder)
    decoder.graph, decoder.nodes, decoder.prefix = graph, [], "d"
    decoder.weight = SimpleNamespace(is_table=table)
    packed = packing.pack(integers, bits, axis)
    values = [decoder._register(array, f"p{n}") for n, array in enumerate(packed)]
    result = packing.unpack(decoder, values, bits, axis)
    graph.extend(decoder.nodes)
    result.type, result.shape = ir.TensorType(ir.DataType.INT8), ir.Shape(integers.shape)
    graph.outputs.append(result)
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    return session.run(None, {})[0], sum(array.nbytes for array in packed)


@pytest.mark.parametrize("bits", range(3, 9))
def test_every_integer_comes_back_and_no_bit_is_wasted(bits):
    half = 2 ** (bits - 1)
    integers = np.tile(np.arange(-half, half, dtype=np.int8), 16)
    integers = np.random.default_rng(0).permutation(integers).reshape(8, -1, 2)
    values, size = decoded(integers, bits, -3)
    np.testing.assert_array_equal(values, integers * 2 ** (8 - bits))
    assert size * 8 == integers.size * bits


@settings(max_examples=25)
@given(
    bits=st.integers(3, 8),
    shape=st.tuples(*[st.sampled_from([1, 3, 8, 16])] * 3),
    first=st.integers(0, 1),
    table=st.booleans(),
)
def test_any_axis_that_divides_is_taken(bits, shape, first, table):
    axis = packing.axis_of(shape, bits, first)
    count = packing.layout(bits)[0]
    if axis is None:
        assert all(length % count for length in shape[first:])
        return
    assert -len(shape) + first <= axis < 0
    rng = np.random.default_rng([bits, *shape])
    integers = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape).astype(np.int8)
    values, _ = decoded(integers, bits, axis, table)
    np.testing.assert_array_equal(values, integers * 2 ** (8 - bits))


def test_bits_are_masked_before_they_are_shifted():
    """OpenVINO rounds a right shift of constants, and saturates a left one, unless nothing is
    shifted out."""
    for bits in range(3, 8):
        for cut in packing.pieces(bits):
            for _, mask, by in cut:
                assert packing.shifted(packing.shifted(mask, by), -by) == mask
                assert 0 < packing.shifted(mask, by) < 256
