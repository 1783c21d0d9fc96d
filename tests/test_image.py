import hashlib

import numpy as np
import onnx
import pytest
from PIL import Image

from clip_onnx import command, graphs, openai
from clip_onnx.host import sessions
from clip_onnx.measure import inputs, parity
from stages.compose.products import image, preprocess
from stages.evaluate.truth import Truth

import small


def built_image(tower, folder):
    graphs.save(image.build(graphs.load(tower)), folder)
    return sessions.session(folder)


def evaluation(built):
    return inputs.rows_of(inputs.index(built / "data/evalset"), inputs.EVALUATION)


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_whole_pictures_give_the_reference_s_embeddings(built, tmp_path, kind):
    session = built_image(built / f"data/models/{kind}/visual/fp32", tmp_path)
    rows = evaluation(built)
    with inputs.reference(built / f"data/reference/{kind}") as reference:
        expected = reference.get_tensor("image_embeds")[rows]
    truth = Truth(built / f"data/reference/{kind}")
    embeds = sessions.run(session, truth.pictures(built / "data/evalset"))
    assert parity.cosine(expected, embeds).min() >= 0.99999
    # An untrained ResNet hardly tells pictures apart: any picture's embedding has that cosine.
    assert parity.snr_db(expected, embeds) > 40
    assert parity.snr_db(expected, np.roll(embeds, 1, axis=0)) < 0


FILES = [("vit", e) for e in small.ALL] + [("rn", e) for e in (*small.ALL, *small.RESNETS)]


@pytest.mark.parametrize("kind, encoding", FILES)
def test_image_is_the_tower_after_openais_transform(built, tmp_path, kind, encoding):
    tower = built / f"data/models/{kind}/visual/{encoding}"
    session = built_image(tower, tmp_path)
    onnx.checker.check_model(tmp_path / graphs.FILE, full_check=True)
    picture = np.random.default_rng(0).integers(0, 256, (91, 147, 3), np.uint8)
    pixels = openai.transform(64)(Image.fromarray(picture)).numpy()[None]
    expected = sessions.run(sessions.session(tower), [pixels])
    embeds = session.run(None, {"image": picture})[0]
    assert embeds.dtype == np.float32
    assert embeds.shape == (1, 48)
    # Knowing that the batch is 1, the runtime may fuse other nodes, which round otherwise.
    tolerance = 2e-3 if encoding == "fp16" else 1e-5
    np.testing.assert_allclose(embeds, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_image_keeps_what_the_tower_says_and_its_weights(built, tmp_path):
    tower = graphs.load(built / "data/models/vit/visual/int8w")
    before = dict(tower.metadata_props)
    weights = {value.const_value for value in tower.graph.initializers.values()}
    made = image.build(tower)
    assert made.metadata_props == before | {"graph": "image", "image": preprocess.WANTED}
    assert weights <= {value.const_value for value in made.graph.initializers.values()}
    (image_input,), (embeds,) = made.graph.inputs, made.graph.outputs
    assert (image_input.name, image_input.shape) == ("image", ("height", "width", 3))
    assert (embeds.name, embeds.shape) == ("image_embeds", (1, 48))


def test_image_reads_external_weights_only_to_write_them(built, tmp_path):
    tower = graphs.load(built / "data/patch/vit/visual/std")
    made = image.build(tower)
    kinds = {type(value.const_value).__name__ for value in made.graph.initializers.values()}
    assert "ExternalTensor" in kinds
    graphs.save(made, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [graphs.FILE]


def test_image_is_the_same_bytes_twice(built, tmp_path):
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        built_image(built / "data/models/rn/visual/int4w", tmp_path / name)
        hashes.add(hashlib.sha256((tmp_path / name / graphs.FILE).read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_image_refuses_a_textual_tower(built):
    with pytest.raises(command.Refusal, match="textual graph does not say"):
        image.build(graphs.load(built / "data/models/vit/textual/fp32"))
