"""Every profile's files of both shipped models, against OpenAI's embeddings."""

import collections

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import yaml

from clip_onnx import command, graphs
from clip_onnx.checkpoint import architecture
from clip_onnx.graphs import renaming
from clip_onnx.host import sessions
from clip_onnx.measure import inputs, parity
from clip_onnx.openai import passes
from clip_onnx.settings import params, sections
from stages.encode import weight_only
from stages.patch.profile import apply

import small

TOWERS = ("visual", "textual")
NAMES = {"pixel_values": "image", "image_embeds": "embedding", "input_ids": "text"}
NAMES |= {"text_embeds": "embedding", "eot_onehot": "end"}
EXTRA = {  # profiles that a user may define, each a change of a shipped one
    "npu-tokens": ("npu", {"text": "tokens"}),
    "npu-several": ("npu", {"batch": 3, "length": 16}),
    "onnxjs-unit": ("onnxjs", {"normalize": True}),
    "onehot": ("std", {"text": "one-hot"}),
    "old": ("std", {"input_ids": "int32", "opset": 12, "normalize": True}),
    "named": ("npu", {"names": NAMES, "text": "one-hot"}),
}
SHIPPED = ("onnxjs", "npu")
CASES = [  # the textual towers of both models are the same graph, and leave pictures' alone
    *((m, t, p) for m in small.TINY for t in TOWERS for p in ("std", *SHIPPED)),
    *((m, "visual", p) for m in small.TINY for p in ("npu-several", "onnxjs-unit", "old", "named")),
    *(("tiny-vit", "textual", p) for p in EXTRA),
]
MISSING = {  # what the runtimes have not got, whatever params.yaml allows
    "onnxjs": {"Pow", "Cast", "Expand", "Shape", "Split", "LayerNormalization", "GatherND"}
    | {"Where", "AveragePool", "BatchNormalization", "ReduceL2", "Equal", "ConstantOfShape"},
    "npu": {"ArgMax", "GatherND", "Expand", "Shape", "Einsum", "Cast", "Range", "Where"},
}


@pytest.fixture(scope="module")
def files(tiny):
    """The folder of MODEL/TOWER/PROFILE of every case."""
    content = small.tiny_params()
    for name, (base, change) in EXTRA.items():
        content["profiles"][name] = content["profiles"][base] | change
    small.write_params(tiny, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny)
        for case in CASES:
            if case[2] != "std":
                small.patch(*case)
    return tiny / "data/patch"


def operators(model):
    return collections.Counter(node.op_type for node in onnx.load(model / graphs.FILE).graph.node)


def metadata(model):
    return sessions.session(model).get_modelmeta().custom_metadata_map


@pytest.mark.parametrize(("model", "tower", "profile"), CASES)
def test_embeddings_are_openais(files, model, tower, profile):
    directory, source = files / model / tower / profile, files.parent / "reference" / model
    session, projection = sessions.session(directory), sessions.projection(directory)
    batch, length = sessions.fixed_axes(session)
    with inputs.reference(source) as reference:
        if tower == "visual":
            expected, given = reference.get_tensor("image_embeds"), np.arange(5)
            settings = sessions.picture_settings(given, batch)
            settings = [(inputs.pixels(source, rows) for rows in rows) for rows in settings]
        else:
            expected = reference.get_tensor("text_embeds")
            ids = reference.get_tensor("input_ids")
            rows = [row[: row.argmax() + 1].tolist() for row in ids]
            fitting = [n for n, row in enumerate(rows) if len(row) <= (length or 77)]
            assert len(fitting) >= 4
            expected, rows = expected[fitting], [rows[n] for n in fitting]
            settings = sessions.text_settings(rows, 77, batch, length)
    for batches in settings:
        embeds = sessions.run(session, batches, projection)
        assert parity.cosine(expected, embeds).min() > 0.999999
        if metadata(directory).get("normalized"):
            expected = parity.normalized(expected)
        np.testing.assert_allclose(embeds, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("model", small.TINY)
@pytest.mark.parametrize("profile", SHIPPED)
def test_operators_are_those_that_the_runtime_has(files, model, tower, profile):
    found = operators(files / model / tower / profile)
    assert not set(found) & MISSING[profile]
    assert set(found) <= set(params.load().profiles[profile].operators)


@pytest.mark.parametrize(
    ("model", "tower", "profile"),
    [case for case in CASES if case[2].startswith(("npu", "onnxjs"))],
)
def test_every_shape_is_static_and_of_four_dimensions_at_most(files, model, tower, profile):
    loaded = onnx.load(files / model / tower / profile / graphs.FILE)
    inferred = ir.from_proto(onnx.shape_inference.infer_shapes(loaded, strict_mode=True))
    values = [*inferred.graph.inputs, *(v for node in inferred.graph for v in node.outputs)]
    for value in values:
        assert all(isinstance(size, int) for size in value.shape), value
        assert len(value.shape) <= 4, value
    assert values[0].shape[0] == (3 if profile == "npu-several" else 1)


@pytest.mark.parametrize("model", small.TINY)
def test_npu_holds_no_infinity_and_no_64_bit_id(files, model):
    file = onnx.load(files / model / "textual/npu" / graphs.FILE)
    for tensor in file.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        assert np.isfinite(array.astype(np.float64)).all(), tensor.name
        if array.dtype == np.float32:
            assert np.isfinite(array.astype(np.float16)).all(), tensor.name
    types = [value.type.tensor_type.elem_type for value in file.graph.input]
    assert types == [onnx.TensorProto.INT32, onnx.TensorProto.FLOAT]


def test_files_say_what_a_host_must_know(files):
    assert metadata(files / "tiny-vit/textual/npu") | {
        "batch": "1",
        "length": "77",
        "profile": "npu",
        "text": "one-hot",
    } == metadata(files / "tiny-vit/textual/npu")
    assert "text" not in metadata(files / "tiny-vit/visual/npu")
    assert metadata(files / "tiny-vit/textual/npu-tokens")["text"] == "tokens"
    assert metadata(files / "tiny-vit/visual/old")["normalized"] == "image_embeds"
    assert set(metadata(files / "tiny-vit/textual/std")) == {
        *("checkpoint_sha256", "graph", "pipeline_version", "preprocessing", "profile")
    }


def test_inputs_and_outputs_have_the_names_that_are_asked_for(files):
    for tower, given in (("visual", ["image"]), ("textual", ["text", "end"])):
        session = sessions.session(files / "tiny-vit" / tower / "named")
        assert [value.name for value in session.get_inputs()] == given
        assert [value.name for value in session.get_outputs()] == ["embedding"]


def test_a_name_of_a_weight_or_another_output_is_refused(tiny):
    model = graphs.load(tiny / "data/export/tiny-vit/textual")
    weight = next(iter(model.graph.initializers))
    for name in (weight, "text_embeds"):
        with pytest.raises(command.Refusal, match=f"names: {name} is taken"):
            renaming.rename(model, {"input_ids": name})
    assert [value.name for value in model.graph.inputs] == ["input_ids"]


def test_only_std_leaves_its_weights_outside(files):
    held = {path.name for path in (files / "tiny-vit/textual/std").iterdir()}
    assert held == {graphs.FILE, graphs.DATA_FILE}
    held = {path.name for path in (files / "tiny-vit/textual/npu-tokens").iterdir()}
    assert held == {graphs.FILE, "text_projection.npy"}


def test_one_hot_input_decides_which_token_counts(files):
    session = sessions.session(files / "tiny-vit/textual/onehot")
    feeds = sessions.feeds(session, np.array([[49406, 320, 2368, 49407], [49406, 7, 8, 49407]]))
    (ends,) = session.run(None, feeds)
    feeds["eot_onehot"] = feeds["eot_onehot"][:, ::-1].copy()
    (starts,) = session.run(None, feeds)  # the start token sees nothing of the text
    np.testing.assert_allclose(starts[0], starts[1], rtol=1e-5)
    assert parity.cosine(*ends[:, None])[0] < 0.9999


def test_tower_of_int32_ids_and_a_low_opset_can_be_calibrated(files):
    """`std` may have both: the float64 tower finds every weight and computes the same."""
    directory, batch = files / "tiny-vit/textual/old", np.array([[49406, 320, 2368, 49407]])
    sizes = architecture.of(files.parent / "checkpoints/tiny-vit")
    model, seen = graphs.load(directory), set()
    tower = passes.of_model(model, sizes, "textual")
    embeds = tower.embed([batch], lambda product, _: seen.add(product.name))
    assert seen == {weight.name for weight in weight_only.weights(model)}
    session = sessions.session(directory)
    (expected,) = session.run(None, sessions.feeds(session, batch))
    assert parity.cosine(embeds, expected) > 0.9999999


def refusal(files, name, **change):
    """What profile.apply says of a tower with a changed npu profile."""
    content = yaml.safe_load((small.ROOT / "params.yaml").read_text("utf-8"))["profiles"]["npu"]
    profile = sections.Profile.model_validate(content | change)
    model = graphs.load(files.parent / f"export/{name}")
    with pytest.raises(command.Refusal) as caught:
        apply(model, profile)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_operator_that_is_left_is_refused_with_its_node(files):
    message = refusal(files, "tiny-vit/textual", operators=["Add", "Gather"])
    assert "LayerNormalization is left" in message
    assert "node_layer_norm" in message


def test_more_dimensions_are_refused(files):
    assert "3 dimensions at most" in refusal(files, "tiny-vit/visual", rank=3)


def test_operator_set_that_cannot_say_it_is_refused(files):
    change = {"opset": 10, "text": "eot", "operators": None}
    assert "GatherND" in refusal(files, "tiny-rn/textual", **change)


def test_same_bytes_twice(files, tmp_path, monkeypatch):
    monkeypatch.chdir(files.parent.parent)
    exported = "data/export/tiny-rn/visual"
    small.run_stage("patch", "onnxjs", "--visual", exported, tmp_path / "again")
    again = (tmp_path / "again" / graphs.FILE).read_bytes()
    assert again == (files / "tiny-rn/visual/onnxjs" / graphs.FILE).read_bytes()


def test_list_names_every_patch_and_what_it_does(capsys):
    with pytest.raises(SystemExit) as left:
        small.run_stage("patch", "--list")
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    files = {path.stem for path in (small.ROOT / "stages/patch/patches").glob("[!_]*.py")}
    assert {line.split()[0] for line in lines} == files
    assert all("->" in line for line in lines)
