"""Which file for which use, in the figures of one model of bench/encodings.json."""

from bench import comparison
from clip_onnx.names import TOWERS

MODEL = "vit-b-32"
USES = {  # as docs/files.md has them
    "nothing lost": "fp32",
    "half the download": "fp16w",
    "a quarter of the download": "int8w",
    "the smallest download": "int4w",
    "the memory of a phone or a browser": "int4r",
    "little memory, as close as int8w": "int8r",
    "a server's CPU: time, and memory": "int8-dynamic",
    "WebGPU": "fp16",
    "an NVIDIA GPU (bench/gpu.md)": "fp16-gpu",
}
STORED = ("MB", "worst cosine", "load MB", "resident MB")
COLUMNS = (*STORED, "run ms / fp32")


def table(records, columns=COLUMNS):
    """A row a use: the encoding and, of both towers, the figures."""
    groups = {
        one[0]["tower"]: one for one in comparison.towers(records) if one[0]["model"] == MODEL
    }
    rows = []
    for use, encoding in USES.items():
        found = [
            comparison.row(one, groups[tower])
            for tower in TOWERS
            for one in groups.get(tower, ())
            if (one["by"], one["encoding"]) == ("ours", encoding)
        ]
        if len(found) == len(TOWERS):
            figures = {name: " and ".join(row[name] for row in found) for name in columns}
            rows.append({"for": use, "file": f"`{encoding}`"} | figures)
    return comparison.table(rows)
