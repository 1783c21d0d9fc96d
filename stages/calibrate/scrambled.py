"""Texts that no caption file holds: words from all over the vocabulary, at every length.

A few hundred captions say too little of the wide layers of a text tower: weights that are rounded
for them alone came out up to nine times as wrong, in the mean, on other captions. Here pieces of
the captions stand among random tokens, so that layers meet words in order and much of the
vocabulary; in the tiny models the errors on other captions fell by a third. Ten times as many
tokens, the whole vocabulary among them, changed the mean error of no encoding by more than 0.6 dB
(ViT-B/32's twin, and four trained models) and took four times as long.
"""

import numpy as np

from clip_onnx import host

TOKENS = 10_000  # of all texts together
PIECE = 8  # tokens of a caption, at most
BETWEEN = 5  # random tokens between two pieces, at most
SEED = 0


def texts(input_ids, end_id=None, size=None):
    """int64 [n, context]: scrambled texts, made of captions' input_ids [m, context].

    Of tokens that are not CLIP's, the end token's id is given, and the vocabulary's size.
    """
    rng, context = np.random.default_rng(SEED), input_ids.shape[1]
    ends = host.eot_positions(input_ids, end_id)
    start, end = int(input_ids[0, 0]), int(input_ids[0, ends[0]])
    captions = [row[1:at] for row, at in zip(np.asarray(input_ids), ends, strict=True)]
    captions = [caption for caption in captions if len(caption)]
    # CLIP's start and end token are the highest.
    words = np.arange(start) if end_id is None else np.delete(np.arange(size), end_id)
    vocabulary = shuffled(rng, words)
    rows, total = [], 0
    while total < TOKENS:
        length = int(rng.integers(1, context - 1))
        row = np.zeros(context, np.int64)
        row[0], row[length + 1] = start, end
        row[1 : length + 1] = body(rng, captions, vocabulary, length)
        rows.append(row)
        total += length + 2
    return np.stack(rows)


def shuffled(rng, words):
    """The words in random order, again and again."""
    while True:
        yield from rng.permutation(words).tolist()


def body(rng, captions, vocabulary, length):
    """So many tokens: pieces of captions and random ones in turns that chance decides."""
    found = []
    while len(found) < length:
        if captions and rng.random() < 0.5:
            caption = captions[rng.integers(len(captions))]
            start = rng.integers(len(caption))
            found += caption[start : start + 1 + rng.integers(PIECE)].tolist()
        else:
            found += [next(vocabulary) for _ in range(rng.integers(1, BETWEEN + 1))]
    return found[:length]
