"""A textual tower: embeddings of captions in every batch size and padding that must agree.

A profile's file is measured together with what it leaves to the host (clip_onnx/host), and one
of a fixed length on the captions that fit.
"""

from clip_onnx import command
from clip_onnx.host import tokens
from clip_onnx.measure import parity
from stages.evaluate.results import Found, cosines


def measure(tower, truth, given):
    """Found of a tower, on the captions as the checkpoint's tokenizer.json encodes them."""
    tokenizer = tokens.load(given.checkpoint / "tokenizer.json", truth.context)
    return of_rows(tower, truth, tokens.encode(tokenizer, truth.texts))


def of_rows(tower, truth, rows):
    """Found on the captions' token ids."""
    fitting = [n for n, row in enumerate(rows) if len(row) <= (tower.length or len(row))]
    if len(fitting) < 2:
        raise command.Refusal(
            f"{len(fitting)} evaluation captions have at most {tower.length} tokens: raise the"
            " profile's length, or add shorter captions to evalset.captions"
        )
    embeds = tower.expected(truth.text_embeds[fitting])
    settings = tower.text_settings([rows[number] for number in fitting], truth.context)
    runs = [tower.run(batches) for batches in settings]
    metrics = parity.measure(embeds, runs, truth.image_embeds)
    return Found(metrics, {}, parity.control(embeds), cosines(embeds, runs))
