"""The texts that calibrate a text tower beside captions."""

import itertools

import numpy as np

from clip_onnx.host.tokens import CONTEXT, END_ID, START_ID
from clip_onnx.openai import tokenize
from stages.calibrate import scrambled

CAPTIONS = tokenize(["a large red circle", "two kittens asleep in a basket", ""]).numpy()


def lengths(rows):
    return rows.argmax(1) + 1


def test_every_text_is_one_that_the_tower_takes():
    rows = scrambled.texts(CAPTIONS)
    assert rows.shape[1] == CONTEXT and (rows[:, 0] == START_ID).all()
    for row, length in zip(rows, lengths(rows), strict=True):
        assert row[length - 1] == END_ID and (row[length:] == 0).all()
        assert (row[1 : length - 1] < START_ID).all()


def test_lengths_and_the_vocabulary_are_covered():
    rows = scrambled.texts(CAPTIONS)
    assert scrambled.TOKENS <= lengths(rows).sum() < scrambled.TOKENS + CONTEXT
    assert len(set(lengths(rows))) > CONTEXT * 0.8
    assert lengths(rows).min() <= 5 and lengths(rows).max() == CONTEXT
    assert len(np.unique(rows)) > scrambled.TOKENS / 4


def pairs(row):
    return set(itertools.pairwise(row.tolist()))


def test_pieces_of_captions_stand_in_them_in_order():
    words = CAPTIONS[0][1 : CAPTIONS[0].argmax()]
    assert pairs(words) <= set().union(*map(pairs, scrambled.texts(CAPTIONS)))


def test_they_are_the_same_again_and_need_no_caption_with_words():
    np.testing.assert_array_equal(scrambled.texts(CAPTIONS), scrambled.texts(CAPTIONS))
    assert len(scrambled.texts(CAPTIONS[2:]))
