"""The ladder on checkpoints that it never saw: what a user's own model will get of each encoding.

    python -m bench.strangers [NAME …] [--encodings NAME …]

All eight of bench/stranger_models.py without names; with encodings, those of ours alone are
measured anew. Each is made from its seed and built whole by
the pipeline's own commands, every encoding of `grid:`, in a workspace in build/bench-strangers;
bench/peers.py makes what other tools make of the same fp32 file. Sizes and parity only: a stranger
is too small for its times to tell anything. What is finished is kept until the run ends, so that a
stopped run goes on where it was. Writes bench/strangers.json and .md.
"""

import argparse
import math
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from bench import comparison, encodings, pipeline
from bench.records import commit, write
from bench.stranger_models import RECIPES
from clip_onnx import command
from clip_onnx.measure import parity
from clip_onnx.settings import params

FOLDER = Path("build/bench-strangers")
RECORDS = Path("bench/strangers.json")
EVALSET = {"crops": 2}  # of each photograph; all drawings and captions


def checkpoint(name):
    """The path of a stranger's checkpoint, made if it is not there."""
    path = FOLDER / "checkpoints" / f"{name}{RECIPES[name].suffix}"
    if not path.exists():
        with command.output_file(path) as partial:
            make = [sys.executable, "-m", "bench.stranger_models", name, str(partial)]
            subprocess.run(make, check=True)
    return path


def measure(file, data):
    """A file's size and parity; of a peer's that fails, the reason and the size it has."""
    try:
        return encodings.metrics(file, data)
    except command.Refusal as refusal:
        return dict.fromkeys(encodings.METRICS) | encodings.failed(file, refusal)


def measured(name, chosen=()):
    """The records of one stranger: ours and other tools', or the chosen ones of ours."""
    archive = checkpoint(name)
    entry = pipeline.entry(archive)
    if not RECIPES[name].half:
        entry["activation"] = "quick_gelu"  # which safetensors do not say
    folder = encodings.workspace(FOLDER / name, name, entry, EVALSET, chosen)
    ours = encodings.build(name, folder)
    records = []
    for file in [*ours, *([] if chosen else encodings.others(ours, folder))]:
        found = encodings.named(file) | measure(file, folder / "data")
        records.append(found | {"synthetic": False, "commit": commit()})
    return records


def publish(fresh, whole=True):
    """Put a stranger's records into bench/strangers.json, and write the page anew."""
    records = encodings.replaced(RECORDS, fresh, whole, RECIPES)
    write(RECORDS, records)
    RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")


def held(records):
    """{(by, encoding, tower): its records}, the closest encoding of a tower first."""
    groups = {}
    for record in records:
        if record["cosine_min"] is not None:
            key = record["by"], record["encoding"], record["tower"]
            groups.setdefault(key, []).append(record)
    middle = {key: median(group, "snr_db") for key, group in groups.items()}
    return dict(sorted(groups.items(), key=lambda item: (item[0][2] != "visual", -middle[item[0]])))


def median(group, figure):
    return statistics.median(record[figure] for record in group)


def overview(records):
    """A row an encoding and tower: what the middle stranger and the worst one got."""
    rows = []
    for (by, encoding, tower), group in held(records).items():
        share = [one["size_mb"] / comparison.fp32(records, one)["size_mb"] for one in group]
        worst = min(group, key=lambda record: record["cosine_min"])
        rows.append(
            {
                "tower": tower,
                "by": by,
                "encoding": encoding,
                "of": len(group),
                "size / fp32": f"{statistics.median(share):.3f}×",
                "worst cosine, median": f"{median(group, 'cosine_min'):.7f}",
                "lowest": f"{worst['cosine_min']:.7f}",
                "of stranger": worst["model"],
                "SNR dB, median": f"{median(group, 'snr_db'):.1f}",
                "lowest SNR": f"{min(one['snr_db'] for one in group):.1f}",
            }
        )
    return comparison.table(rows)


def against_peers(records):
    """A row a peer's encoding and tower: of how many strangers a file of ours beats it."""
    beaten = comparison.dominated(records)
    rows = {}
    for key, ours in beaten.items():
        rows.setdefault((key[2], key[3]), []).append((key[1], bool(ours)))
    return comparison.table(
        {
            "tower": tower,
            "other tools": encoding,
            "beaten": f"{sum(won for _, won in found)} of {len(found)}",
            "not on": ", ".join(name for name, won in found if not won),
        }
        for (tower, encoding), found in rows.items()
    )


def each(records):
    """A row a stranger and tower: its worst cosine in each of our encodings."""
    names = dict.fromkeys(r["encoding"] for r in records if r["by"] == "ours")
    rows = []
    for group in comparison.towers([r for r in records if r["by"] == "ours"]):
        found = {record["encoding"]: f"{record['cosine_min']:.6f}" for record in group}
        first = {"stranger": group[0]["model"], "tower": group[0]["tower"]}
        rows.append(first | {name: found.get(name, "") for name in names})
    return comparison.table(rows)


def floors(records):
    """{tower: {encoding: its default floor}}: twice the error of the lowest stranger, 3 dB less.

    An error has two digits, rounded up, and none is below the millionth that fp32 keeps to. A file
    that was made for a cosine is not asked for more.
    """
    found, known = {}, params.load().encodings
    for (by, encoding, tower), group in held(records).items():
        if by == "ours":
            error = max(2 * (1 - min(one["cosine_min"] for one in group)), 1e-6)
            step = 10.0 ** (math.floor(math.log10(error)) - 1)
            error = math.ceil(round(error / step, 3)) * step
            snr = min(one["snr_db"] for one in group)
            target = getattr(known.get(encoding), "target_cosine", None)
            most = getattr(target, tower, 1)
            found.setdefault(tower, {})[encoding] = {
                "cosine_min": min(round(1 - error, 7), most),
                "snr_db": snr if snr >= parity.MOST_DB else math.floor(2 * (snr - 3)) / 2,
            }
    return found


def floor_rows(records):
    return comparison.table(
        {"tower": tower, "encoding": encoding} | floor
        for tower, made in floors(records).items()
        for encoding, floor in made.items()
    )


def markdown(records):
    commits = ", ".join(sorted({record["commit"] for record in records}))
    return f"""# The ladder on strangers

Written by `make bench NAME=strangers`, at commit {commits}. Small checkpoints that no encoding was
tuned for, `bench/stranger_models.py` says how each is made: trained on drawings with other
seeds, some barely, or random with outliers or heavy tails, of several widths, depths and patch
sizes, in fp16 and fp32. So this is what to expect of a model of one's own, before it is measured.

## What each encoding holds

The worst cosine is that of the input that comes out worst; the middle stranger and the lowest one.

{overview(records)}

## What a model is held to

`default_floors` of `params.yaml`: twice the error of the lowest stranger, and an SNR 3 dB below. Of
`mixed`, no more than it is made for.

{floor_rows(records)}

## Beside other tools

A file is beaten by one of ours of the same tower that is no larger and closer (`bench/peers.py`
makes the others'). In a ResNet, and where fp32 weights are rounded, `fp16` is the same arithmetic.

{against_peers(records)}

## Each stranger

The worst cosine of every encoding.

{each(records)}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=list(RECIPES))
    encodings.add_encodings(parser)
    arguments = parser.parse_args()
    encodings.check_encodings(arguments)
    names, chosen = arguments.names, arguments.encodings
    for name in names:
        if name not in RECIPES:
            known = ", ".join(RECIPES)
            raise command.Refusal(f"{name} is no stranger, take one of {known}")
    finished = FOLDER / "finished"
    finished.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (finished / name).exists():
            publish(measured(name, chosen), whole=not chosen)
            shutil.rmtree(FOLDER / name)
            (finished / name).touch()
    shutil.rmtree(finished)


if __name__ == "__main__":
    command.run(main)
