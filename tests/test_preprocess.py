import collections
import hashlib

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_onnx import command, graphs, openai
from clip_onnx.host import preparation
from clip_onnx.host.sessions import session as opened
from stages.compose.products import preprocess
from stages.evalset.collection import photographs, read_picture

SIDE = 64
CONTENTS = {
    "noise": lambda rng, h, w: rng.integers(0, 256, (h, w, 3), np.uint8),
    "black and white": lambda rng, h, w: rng.integers(0, 2, (h, w, 3), np.uint8) * 255,
    "gradient": lambda rng, h, w: np.indices((h, w, 3)).sum(0).astype(np.uint8),
    "flat": lambda rng, h, w: np.full((h, w, 3), rng.integers(0, 256, 3), np.uint8),
}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """{side: session} of built graphs."""

    def load(side):
        folder = tmp_path_factory.mktemp("preprocess")
        graphs.save(preprocess.build(side), folder)
        onnx.checker.check_model(folder / graphs.FILE, full_check=True)
        return opened(folder)

    return {side: load(side) for side in (SIDE, 224, 225)}


def run(session, picture):
    return session.run(None, {"image": picture})[0][0]


def reference(picture, side):
    return openai.transform(side)(Image.fromarray(picture)).numpy()


@settings(max_examples=150)
@given(
    height=st.integers(1, 1500),
    width=st.integers(1, 1500),
    content=st.sampled_from([*CONTENTS]),
)
@example(SIDE, SIDE, "noise")  # nothing to resize
@example(SIDE, 2 * SIDE, "noise")
@example(6 * SIDE, 6 * SIDE, "gradient")  # most values are halves before they are rounded
@example(7, 7, "noise")
@example(1, 60, "noise")
@example(60, 1, "noise")
@example(1, 1, "flat")
@example(400, 199, "black and white")  # Pillow resizes the height first
@example(199, 400, "black and white")
@example(97, 128, "noise")  # the crop begins at half a pixel
def test_graph_equals_openais_transform(sessions, height, width, content):
    assume(max(width, height) <= 60 * min(width, height))  # a resized line takes gigabytes there
    picture = CONTENTS[content](np.random.default_rng([height, width]), height, width)
    np.testing.assert_array_equal(run(sessions[SIDE], picture), reference(picture, SIDE))


@pytest.mark.parametrize("side", [224, 225])
def test_graph_equals_openais_transform_on_photographs(sessions, side):
    for file, _, _ in photographs("stages/evalset/photographs.csv"):
        picture = read_picture(file)
        np.testing.assert_array_equal(run(sessions[side], picture), reference(picture, side))


@pytest.mark.parametrize("shape", [(1, 100_000), (100_000, 1)])
def test_graph_takes_pictures_that_openais_transform_has_no_memory_for(sessions, shape):
    picture = np.full((*shape, 3), 200, np.uint8)
    expected = reference(np.full((1, 1, 3), 200, np.uint8), SIDE)
    np.testing.assert_array_equal(run(sessions[SIDE], picture), expected)


def test_graph_refuses_a_picture_without_pixels(sessions):
    with pytest.raises(Exception, match="division by zero"):
        run(sessions[SIDE], np.zeros((0, 5, 3), np.uint8))


def test_graph_takes_channels_in_their_order(sessions):
    red = np.zeros((70, 80, 3), np.uint8)
    red[..., 0] = 255
    lightest = run(sessions[SIDE], red).mean((1, 2)).argmax()
    assert lightest == 0


@pytest.mark.parametrize("opset", [15, 17, 21])
def test_graph_is_the_same_in_other_opsets(sessions, tmp_path, opset):
    graphs.save(preprocess.build(SIDE, opset), tmp_path)
    picture = CONTENTS["noise"](np.random.default_rng(0), 333, 100)
    expected = run(sessions[SIDE], picture)
    np.testing.assert_array_equal(run(opened(tmp_path), picture), expected)


def test_build_refuses_an_old_opset():
    with pytest.raises(command.Refusal, match="opset 14: build for 15"):
        preprocess.build(SIDE, 14)


def test_build_gives_the_same_bytes_twice_and_only_standard_operators(tmp_path):
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        graphs.save(preprocess.build(SIDE), tmp_path / name)
        hashes.add(hashlib.sha256((tmp_path / name / graphs.FILE).read_bytes()).hexdigest())
    assert len(hashes) == 1
    model = graphs.load(tmp_path / "a")
    assert {node.domain for node in model.graph.all_nodes()} == {""}
    assert not any(node.metadata_props for node in model.graph.all_nodes())
    assert "resizes before it converts to RGB" in model.metadata_props["image"]
    operators = collections.Counter(node.op_type for node in model.graph.all_nodes())
    assert operators["Resize"] == 0  # OpenVINO leaves antialiasing out
    assert graphs.size(tmp_path / "a") < 30_000


def test_described_reads_what_a_tower_says():
    tower = ir.Model(ir.Graph([], [], nodes=[], opset_imports={"": 18}), ir_version=10)
    graphs.describe(tower, graph="visual", preprocessing=preparation.description(288))
    assert preprocess.described(tower) == (288, preparation.OPENAI)
    graphs.describe(tower, preprocessing=preparation.description(288) | {"crop": "none"})
    with pytest.raises(command.Refusal, match="visual graph does not say"):
        preprocess.described(tower)
    tower.metadata_props.clear()
    with pytest.raises(command.Refusal, match="unnamed graph does not say"):
        preprocess.described(tower)
