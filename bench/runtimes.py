"""Seconds to load and milliseconds to run of our files in foreign runtimes, beside ONNX Runtime's.

    python -m bench.runtimes [MODEL …]        tiny-vit and tiny-rn without names

Runs in .venv-runtimes, with `python` on the PATH that of .venv. A model with an address is replaced
by its twin (tools/make_twin.py: random weights, OpenAI's architecture), whose files the pipeline's
own commands make in build/bench; what they have made is kept until the model is done. Other models'
files are those of data/. bench/adapters.py has the runtimes. All that run a file take turns, both
to load it and to run it, as in bench/speed.py. Writes bench/runtimes.json and bench/runtimes.md
whenever a model is done.
"""

import argparse
import contextlib
import random
import shutil
from pathlib import Path

import pandas

from bench import adapters, models, pipeline, speed
from bench.records import commit, read, write
from clip_onnx import command
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import inputs, parity
from clip_onnx.names import TOWERS
from clip_onnx.settings import params

RECORDS = Path("bench/runtimes.json")
MODELS = ("tiny-vit", "tiny-rn")
VARIANTS = adapters.RUNTIMES[adapters.BASE].variants
CAPTION = "a black dog and a small child run along the beach in the sun"  # 16 tokens
LOADS = 3
MOST = 60  # seconds of runs of a file, of which onnx.js could take many
ENCODINGS = {"plain": ["fp32"], "by_sensitivity": ["int8w"], "resnets": []}
GRID = {
    "encodings": ENCODINGS,
    "profiles": [adapters.ONNXJS, adapters.NPU],
    "products": [],
    "composed": [],
}


@contextlib.contextmanager
def files(model, settings):
    """The folder that has models/, reference/, checkpoints/ and bundles/ of a model."""
    if not settings.remote:
        yield Path("data")
        return
    twins = models.FOLDER / "twins"
    twins.mkdir(parents=True, exist_ok=True)
    archive = pipeline.twin(model, twins)
    address, evalset = models.serve(twins), pipeline.TWINS_EVALSET
    folder = models.workspace(model, archive, address, GRID, evalset)
    pipeline.make(model, folder, ["bundle"])
    yield folder / "data"
    shutil.rmtree(folder)


def feeds(directory, data, model, tower):
    """{input: array} of one picture, or of CAPTION, padded where a file has a fixed length."""
    session = sessions.session(directory)
    if tower == "visual":
        return sessions.feeds(session, inputs.pixels(data / "reference" / model, [0]))
    tokenizer = tokens.load(data / "checkpoints" / model / "tokenizer.json", tokens.CONTEXT)
    _, length = sessions.fixed_axes(session)
    return sessions.feeds(session, tokens.pad(tokens.encode(tokenizer, [CAPTION]), 0, length))


def in_turns(answers, directory, given):
    """{runtime: its figures, or the reason why there are none}. `answers` are those of adapters.py.

    `load_s` and `run_ms` are the least of each, `runtime_cosine` is against BASE's embedding.
    """
    loads, embeds, failed, order = {name: [] for name in answers}, {}, {}, random.Random(0)
    for turn in range(LOADS):
        for name in order.sample(list(loads), len(loads)):
            try:
                outputs, ms, _ = answers[name](directory, given, turn)
            except command.Refusal as refusal:
                if name == adapters.BASE:
                    raise
                failed[name] = {"reason": command.first_line(refusal)}
                del loads[name]
            else:
                loads[name].append(ms)
                (embeds[name],) = outputs.values()
    runs = {
        name: lambda answer=answers[name]: answer(directory, given, LOADS - 1)[-1] for name in loads
    }
    return failed | {
        name: {
            "load_s": round(min(loads[name]) / 1000, 4),
            "run_ms": ms,
            "runtime_cosine": round(
                float(parity.cosine(embeds[adapters.BASE], embeds[name])[0]), 7
            ),
        }
        for name, ms in speed.least(runs, MOST).items()
    }


def measure(model, settings):
    """The records of a model's files in every runtime that takes them."""
    records = []
    with files(model, settings) as data, adapters.opened(data) as answers:
        for tower in TOWERS:
            for variant in VARIANTS:
                print(f"{model}: {tower} {variant}", flush=True)
                directory = data / "models" / model / tower / variant
                known = [n for n, one in adapters.RUNTIMES.items() if variant in one.variants]
                given = feeds(directory, data, model, tower)
                found = in_turns({name: answers[name] for name in known}, directory, given)
                place = {"model": model, "tower": tower, "variant": variant}
                for name in known:
                    about = {"runtime": name, "threads": adapters.RUNTIMES[name].threads}
                    about |= {"synthetic": settings.remote, "commit": commit()}
                    records.append(place | about | found[name])
    return records


def base(record, records):
    """The record of ONNX Runtime's on the same file."""
    file = ("model", "tower", "variant")
    (found,) = (
        one
        for one in records
        if one["runtime"] == adapters.BASE and all(one[key] == record[key] for key in file)
    )
    return found


def row(record, records):
    shown = {
        "file": f"{record['tower']}.{record['variant']}",
        "runtime": record["runtime"],
        "threads": record["threads"],
    }
    if "reason" in record:
        return shown | {"load s": "no"}
    native = base(record, records)
    return shown | {
        "load s": f"{record['load_s']:.3f}",
        "load s / ORT": f"{record['load_s'] / native['load_s']:.2f}×",
        "run ms": f"{record['run_ms']:.1f}",
        "run ms / ORT": f"{record['run_ms'] / native['run_ms']:.2f}×",
        "cosine against ORT": f"{record['runtime_cosine']:.7f}",
    }


def section(records):
    first = records[0]
    name = f"{first['model']} (twin)" if first["synthetic"] else first["model"]
    table = pandas.DataFrame([row(record, records) for record in records]).fillna("")
    text = f"## {name}\n\n{table.to_markdown(index=False, disable_numparse=True)}\n"
    for one in records:
        if "reason" in one:
            file = f"{one['tower']}.{one['variant']}"
            text += f"\n{one['runtime']} does not run `{file}`: {one['reason']}\n"
    return text


def markdown(records):
    commits = ", ".join(sorted({record["commit"] for record in records}))
    grouped = {}
    for record in records:
        grouped.setdefault(record["model"], []).append(record)
    sections = "\n".join(section(group) for group in grouped.values())
    return f"""# Load and run times in other runtimes

Written by `make bench NAME=runtimes`, at commit {commits}. Twins have OpenAI's architectures and
random weights; their times are those of the real models.

ORT is native ONNX Runtime in Python (`{adapters.BASE}`) on the same file, on two threads, and what
follows a `/` is what the multiple `×` is of. All runtimes of a file are open at once and take turns
to load it ({LOADS} times) and to run it, so that whatever else the machine does meets all of them;
the fastest counts. `load s` is from the file to a model that can run, in a runtime that has
started: in a page that includes fetching the file from this machine, in LiteRT it starts from the
converted file. `run ms` is one picture or one caption of 16 tokens, which is padded to 77 for the
profiles `onnxjs` and `npu`, with nothing but the runtime in it. A page's clock goes in steps of
0.1 ms. OpenVINO runs with the hint `EXECUTION_MODE_HINT: ACCURACY`.

{sections}"""


def publish(fresh):
    """Put a model's records in the place of its old ones."""
    order = list(params.load().models)
    records = [r for r in read(RECORDS) if r["model"] != fresh[0]["model"]] + fresh
    records.sort(key=lambda record: order.index(record["model"]))
    write(RECORDS, records)
    RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    known = params.load().models
    chosen = {name: params.lookup(known, name, "models") for name in arguments.models}
    adapters.need()
    for name, settings in chosen.items():
        if not settings.remote and not Path("data/bundles", name).exists():
            raise command.Refusal(
                f"data/bundles/{name} is not built: add {name} to grid.models; make"
            )
    for name, settings in chosen.items():
        publish(measure(name, settings))


if __name__ == "__main__":
    command.run(main)
