"""A tower's fp32 file as other tools make it smaller today.

    python -m bench.peers PEER data/models/MODEL/TOWER/fp32 OUTPUT

Names are transformers.js's, whose scripts make most CLIP files that browsers load: `q8` as its
`convert.py` does for CLIP (`per_channel` and `reduce_range`), `q8-per-tensor` as its `quantize.py`
and ONNX Runtime's `quantize_dynamic` do unless told otherwise, `q4`, `q4f16` and `bnb4` as its
`quantize.py` makes them, `fp16` with onnxconverter-common's defaults. Nothing is mended:
what comes out wrong for CLIP is what these settings give.
"""

import argparse
import tempfile
from pathlib import Path

import onnx
from onnxconverter_common import float16
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from clip_onnx import command, graphs


def q8(path):
    return dynamic(path, per_channel=True, reduce_range=True)


def q8_per_tensor(path):
    return dynamic(path)


def dynamic(path, **options):
    """ONNX Runtime's dynamic quantisation of every operator that it knows.

    Weights are unsigned where there is a Conv, as in transformers.js: some runtimes have no
    ConvInteger for signed ones.
    """
    model = onnx.load(path)
    convolves = any(node.op_type == "Conv" for node in model.graph.node)
    weights = QuantType.QUInt8 if convolves else QuantType.QInt8
    with tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder) / "quantized.onnx"
        quantize_dynamic(model, quantized, weight_type=weights, **options)
        return onnx.load(quantized)


def q4(path):
    """ONNX Runtime's MatMulNBits; what no MatMul multiplies by stays in fp32."""
    quantizer = MatMulNBitsQuantizer(onnx.load(path), bits=4, block_size=32, is_symmetric=True)
    quantizer.process()
    return quantizer.model.model


def q4f16(path):
    """`q4`, what is left of it in half precision."""
    return float16.convert_float_to_float16(q4(path), keep_io_types=True)


def bnb4(path):
    """ONNX Runtime's MatMulBnb4, NF4 in blocks of 64."""
    quantizer = MatMulBnb4Quantizer(onnx.load(path), MatMulBnb4Quantizer.NF4, block_size=64)
    quantizer.process()
    return quantizer.model.model


def fp16(path):
    return float16.convert_float_to_float16(onnx.load(path), keep_io_types=True)


PEERS = {
    "fp16": fp16,
    "q8": q8,
    "q8-per-tensor": q8_per_tensor,
    "q4": q4,
    "q4f16": q4f16,
    "bnb4": bnb4,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("peer", choices=PEERS)
    for name in ("model", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    source = arguments.model / graphs.FILE
    model = PEERS[arguments.peer](source)
    if not any(entry.key == "graph" for entry in model.metadata_props):
        kept = onnx.load(source, load_external_data=False).metadata_props
        model.metadata_props.extend(kept)  # by `graph` stages.evaluate knows the tower
    with command.output(arguments.output) as directory:
        onnx.save(
            model,
            directory / graphs.FILE,
            save_as_external_data=model.ByteSize() > graphs.EXTERNAL_DATA_FROM,
            location=graphs.DATA_FILE,
        )


if __name__ == "__main__":
    command.run(main)
