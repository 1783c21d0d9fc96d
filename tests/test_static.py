import numpy as np
import onnx
import onnxruntime
import pytest
import yaml

from clip_onnx import command, graphs
from clip_onnx.host import sessions
from clip_onnx.measure import inputs, parity
from clip_onnx.measure.calibration import Calibration
from stages.encode import ranges
from stages.encode.schemes import static

import small


@pytest.fixture(scope="module")
def quantize(built):
    """Encode a tower of the small checkpoints as int8-static; the file's directory."""
    content = yaml.safe_load((built / "params.yaml").read_text("utf-8"))
    encodings = content["encodings"] | {"int8-static": {"scheme": "static"}}
    small.write_params(built, content | {"encodings": encodings})

    def run(kind, tower, name="int8-static"):
        output = built / f"static/{kind}/{tower}/{name}"
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(built)
            small.encode(kind, tower, "int8-static", output)
        return output

    yield run
    small.write_params(built, content)


@pytest.fixture(scope="module")
def encoded(quantize):
    return quantize("rn", "visual")


def test_the_file_has_standard_operators_alone(encoded):
    model = onnx.load(encoded / graphs.FILE)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", graphs.OPSET)]
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    ((given, computed),) = zip(model.graph.input, model.graph.output, strict=True)
    assert (given.name, computed.name) == ("pixel_values", "image_embeds")
    for value in (given, computed):
        assert value.type.tensor_type.shape.dim[0].dim_param


def test_runtimes_convolve_integers(encoded, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3  # it warns that the optimised file is for this machine
    providers = ["CPUExecutionProvider"]
    onnxruntime.InferenceSession(encoded / graphs.FILE, options, providers=providers)
    found = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    before = [node.op_type for node in onnx.load(encoded / graphs.FILE).graph.node]
    assert found.count("QLinearConv") == before.count("Conv") > 0


def test_weights_leave_room_for_the_sum_of_two(encoded):
    model = onnx.load(encoded / graphs.FILE)
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    decoders = {node.output[0]: node for node in model.graph.node}
    weights = [decoders[n.input[1]].input[0] for n in model.graph.node if n.op_type == "Conv"]
    for name in weights:
        assert arrays[name].dtype == np.int8
        assert 32 <= np.abs(arrays[name].astype(int)).max() <= 64


def cosine_min(built, folder):
    """The worst of a file's embeddings against the fp32 file's."""
    rows = inputs.rows_of(inputs.index(built / "data/reference/rn"), inputs.EVALUATION)
    pictures = inputs.pixels(built / "data/reference/rn", rows)
    runs = [
        sessions.run(sessions.session(file), sessions.batches(pictures))
        for file in (built / "data/models/rn/visual/fp32", folder)
    ]
    return parity.cosine(*runs).min()


def test_the_embedding_stays_close_at_a_third_of_the_size(built, encoded):
    assert cosine_min(built, encoded) > 0.999
    assert graphs.size(encoded) < 0.35 * graphs.size(built / "data/models/rn/visual/fp32")


def test_equalising_and_folding_are_exact(built, tmp_path):
    model = graphs.load(built / "data/models/rn/visual/fp32")
    split = Calibration(built / "data/calibration/rn", "visual")
    static.fold(model, split)
    assert "BatchNormalization" not in {node.op_type for node in model.graph}
    graphs.save(model, tmp_path)
    assert cosine_min(built, tmp_path) > 0.9999999


@pytest.mark.parametrize("side", [8, 64, 224, 448])
def test_a_range_leaves_out_few_pictures_whatever_their_size(side):
    """Of 200 extremes at most two; of small maps, where one stands for fewer values, none."""
    extremes = np.stack([-np.arange(200.0), np.arange(200.0)]).reshape(2, 20, 10)
    low, high = ranges.ends(extremes, side**2)
    assert high == -low
    assert high == {8: 199, 64: 197}.get(side, 197)


def test_the_same_bytes_twice(quantize, encoded):
    again = quantize("rn", "visual", "again")
    assert (again / graphs.FILE).read_bytes() == (encoded / graphs.FILE).read_bytes()


@pytest.mark.parametrize("key", ["rn/textual", "vit/textual", "vit/visual"])
def test_other_towers_are_refused(quantize, key):
    with pytest.raises(command.Refusal, match="ResNets' visual towers"):
        quantize(*key.split("/"))
