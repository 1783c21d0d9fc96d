"""What it costs to calibrate a model and to make its files in fewer bits, here and earlier.

    python -m bench.ladder [MODEL] [--against REVISION] [--encodings NAME …]

vit-b-32, or rather its twin, and its whole ladder without names. HEAD and the revision are cloned
into build/bench-ladder, where each one's own bench/encodings.py sets up a workspace: with the same
checkpoint and, if it is a twin, the same few inputs. Everything up to the fp32 files is built
there. Then what calibrates and quantises runs, each stage a process whose time and memory are
measured, in turns with what the other commit does for the same. Commits from before the folder
clip_onnx have a stage a tower, and call `quantize` what is `encode` now.

What is finished is kept until the run ends, so that a stopped run goes on where it was. Writes
bench/ladder.json, and a section of bench/models.md.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import yaml

from bench import pipeline, rungs, table
from bench.process import measured
from bench.records import commit, read, write
from clip_onnx import command
from clip_onnx.names import TOWERS
from clip_onnx.settings import params

FOLDER = Path("build/bench-ladder")
MODEL = "vit-b-32"
ENCODINGS = ("int8w", "int6w", "int5w", "int4w", "mixed", "int8-dynamic")
STAGES = ("calibrate", "sensitivity", "encode")
RENAMED = {"quantize": "encode"}
PREPARE = """
import sys
from pathlib import Path
from bench import encodings
try:
    from clip_onnx.settings import params
except ImportError:
    from stages import params
model, archive, *chosen = sys.argv[1:]
twin = encodings.FOLDER / "twins" / Path(archive).name
twin.parent.mkdir(parents=True, exist_ok=True)
if archive and not twin.exists():
    twin.symlink_to(archive)
print(encodings.prepare(model, params.load().models[model], chosen))
"""


class Side(NamedTuple):
    """One commit's part: its workspace, and lists of its command lines by their items' names."""

    by: str
    commit: str
    folder: Path
    rungs: dict


def clone(folder, revision):
    """The repository at a revision, made if it is not there. Returns its folder."""
    if not folder.exists():
        with command.output(folder) as partial:
            subprocess.run(["git", "clone", "--quiet", ".", partial], check=True)
            checkout = ["git", "checkout", "--quiet", "--detach", revision]
            subprocess.run(checkout, cwd=partial, check=True)
    return folder


def workspace(model, folder, archive, chosen):
    """The workspace that a clone's own code sets up in it."""
    line = [sys.executable, "-c", PREPARE, model, str(archive or ""), *chosen]
    printed = subprocess.run(line, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    return folder / printed.splitlines()[-1]


def side(by, revision, model, archive, chosen):
    """A commit's Side, built up to the fp32 files."""
    here = clone(FOLDER / model / revision, revision)
    folder = workspace(model, here, archive, chosen)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text("utf-8"))["stages"]
    targets = [name for name in stages if purpose(name.split("-")[0]) == "encode"]
    lines = pipeline.commands(folder, targets)
    before = [line for line in lines if purpose(pipeline.stage(line)) not in STAGES]
    pipeline.run_missing(f"{model} at {revision}", folder, before)
    found = defaultdict(list)
    for line in lines:
        if line not in before:
            found[item(line)].append(line)
    return Side(by, revision, folder, found)


def purpose(stage):
    """The name that a stage has today."""
    return RENAMED.get(stage, stage)


def item(line):
    """A command line's name: what it makes, without the tower, and its stage."""
    *made, stage = pipeline.item(line).split(".")
    return ".".join([*(part for part in made if part not in TOWERS), purpose(stage)])


def turns(sides):
    """(item, the Side whose turn it is), by the first one's order; who begins takes turns, too."""
    items = dict.fromkeys(item for one in sides for item in one.rungs)
    for number, item in enumerate(items):
        having = [one for one in sides if item in one.rungs]
        yield from ((item, one) for one in (reversed(having) if number % 2 else having))


def climb(model, sides):
    """The records of all rungs; those of a stopped run are taken from build/bench-ladder."""
    progress = FOLDER / model / "progress.json"
    records = read(progress)
    for item, one in turns(sides):
        done = any((r["item"], r["commit"]) == (item, one.commit) for r in records)
        if not (done and all(pipeline.there(one.folder, line) for line in one.rungs[item])):
            record = rung(model, item, one)
            same = (item, one.commit)
            records = [r for r in records if (r["item"], r["commit"]) != same] + [record]
            write(progress, records)
    chosen = [(item, one.commit) for item, one in turns(sides)]
    return [record for record in records if (record["item"], record["commit"]) in chosen]


def rung(model, item, one):
    """Run the command lines of an item of a Side. Returns the record of them all."""
    costs = []
    for line in one.rungs[item]:
        print(f"{model} at {one.commit}: {shlex.join(line[2:])}", flush=True)
        costs.append(measured(line, one.folder, one.folder / "log.txt"))
    record = {"item": item, "model": model, "stage": item.split(".")[-1], "by": one.by}
    record |= {"commit": one.commit, "wall_s": round(sum(cost.wall_s for cost in costs), 1)}
    record["cpu_s"] = round(sum(cost.cpu_s for cost in costs), 1)
    return record | {"peak_rss_mb": round(max(cost.peak_mb for cost in costs))}


def commits(against):
    """{whose: short hash} of HEAD and, if it is named, of what HEAD is compared with."""
    found = {rungs.OURS: commit()}
    if against:
        found[rungs.EARLIER] = commit(against)
        if found[rungs.EARLIER] in ("", found[rungs.OURS]):
            raise command.Refusal(f"{against}: no commit, or HEAD itself; name an earlier one")
    return found


def measure(model, revisions, chosen):
    """The records of a model at {whose: commit}."""
    archive, twins = None, FOLDER / "twins"
    if params.load().models[model].remote:
        twins.mkdir(parents=True, exist_ok=True)
        archive = pipeline.twin(model, twins).resolve()
    sides = [side(by, one, model, archive, chosen) for by, one in revisions.items()]
    return climb(model, sides)


def publish(model, fresh):
    """Put a model's records in the place of its old ones."""
    order = list(params.load().models)
    records = [r for r in read(rungs.RECORDS) if r["model"] != model] + fresh
    write(rungs.RECORDS, sorted(records, key=lambda record: order.index(record["model"])))
    table.write()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", nargs="?", default=MODEL)
    parser.add_argument("--against", metavar="REVISION")
    parser.add_argument("--encodings", nargs="+", default=ENCODINGS, metavar="NAME")
    arguments = parser.parse_args()
    settings, model = params.load(), arguments.model
    params.lookup(settings.models, model, "models")
    for name in arguments.encodings:
        params.lookup(settings.encodings, name, "encodings")
    fresh = measure(model, commits(arguments.against), arguments.encodings)
    publish(model, fresh)
    shutil.rmtree(FOLDER / model)
    pipeline.remove(pipeline.place(model, FOLDER / "twins"))


if __name__ == "__main__":
    command.run(main)
