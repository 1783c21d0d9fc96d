"""What tables show of a file: README's, the report page, model cards, comments on pull requests."""

from clip_onnx.measure.parity import MOST_DB


def decibels(value):
    """An SNR; of what fp32's own rounding decides only that it is above MOST_DB."""
    if value is None:
        return "no number"
    return f"> {MOST_DB:g}" if value >= MOST_DB else f"{value:.1f}"


FIGURES = {  # {name: (heading, formatter)}
    "size_mb": ("MB", "{:.2f}".format),
    "cosine_min": ("worst cosine", "{:.7f}".format),
    "cosine_mean": ("mean cosine", "{:.7f}".format),
    "snr_db": ("SNR, dB", decibels),
    "top1_agreement": ("same top-1", "{:.3f}".format),
    "accuracy": ("accuracy", "{:.3f}".format),
}
