import numpy as np
import pytest

from clip_onnx import host
from clip_onnx.host import sessions, tokens

START, END = 49406, 49407
ROWS = np.array([[START, 5, END, 0, 0], [START, 9, 8, 7, END], [START, END, END, END, END]])


def test_end_token_is_the_first_highest_id():
    assert host.eot_positions(ROWS).tolist() == [2, 4, 1]
    assert host.eot_positions(ROWS.astype(np.int32)).tolist() == [2, 4, 1]


def test_ids_that_went_through_floats_are_refused():
    with pytest.raises(TypeError, match="float16"):
        host.eot_positions(ROWS.astype(np.float16))


def test_onehot_marks_each_end_token_once():
    marks = host.eot_onehot(ROWS)
    assert marks.dtype == np.float32
    assert marks.sum(1).tolist() == [1, 1, 1]
    assert marks.argmax(1).tolist() == [2, 4, 1]


def test_projection_takes_the_hidden_state_at_the_end_token():
    hidden = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("f")
    projection = np.arange(8, dtype="f").reshape(4, 2)
    embeds = host.project(hidden, ROWS, projection)
    expected = np.einsum("nl,nlw,we->ne", host.eot_onehot(ROWS), hidden, projection)
    np.testing.assert_allclose(embeds, expected, rtol=1e-6)


def test_fit_pads_with_zeros_and_keeps_the_end_token_of_a_long_text():
    fitted = host.fit([[START, 5, END], [START, 5, 6, 7, 8, END]], 4)
    assert fitted.tolist() == [[START, 5, END, 0], [START, 5, 6, END]]


def test_normalize_makes_rows_of_length_one():
    np.testing.assert_allclose(host.normalize(np.array([[3.0, 4.0]])), [[0.6, 0.8]])


def test_no_texts_have_no_rows():
    ids = tokens.pad([])
    assert (ids.shape, ids.dtype) == ((0, 0), np.int64)
    assert host.fit([], 5).shape == (0, 5)
    assert host.eot_positions(ids).shape == (0,)
    assert host.eot_onehot(ids).shape == (0, 0)
    assert host.project(np.zeros((0, 5, 4), "f"), ids, np.ones((4, 3), "f")).shape == (0, 3)


@pytest.mark.parametrize("batches", [[], [np.zeros((0, 7), np.int64)], [tokens.pad([])]])
def test_no_texts_have_no_embeddings_of_the_model_s_size(built, batches):
    tower = sessions.session(built / "data/models/vit/textual/int8w")
    found = sessions.run(tower, batches)
    assert (found.shape, found.dtype) == ((0, 48), np.float32)
    assert sessions.run(tower, batches, np.ones((128, 5), "f")).shape == (0, 5)
    some = [ROWS[:2], *batches]
    np.testing.assert_array_equal(sessions.run(tower, some), sessions.run(tower, [ROWS[:2]]))


@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_an_empty_batch_of_a_fixed_size_is_none(bundled, tower):
    session = sessions.session(bundled / f"data/models/vit/{tower}/npu")
    sizes = [size for size in session.get_inputs()[0].shape[1:]]
    beside = sessions.projection(bundled / f"data/models/vit/{tower}/npu")
    assert sessions.run(session, [np.zeros((0, *sizes), np.int64)], beside).shape == (0, 48)
