"""What a foreign runtime makes of our files: against OpenAI's code, and against ONNX Runtime."""

import argparse
import json
from pathlib import Path

import numpy as np

from clip_onnx import absent, command, host
from clip_onnx.host import sessions
from clip_onnx.measure import parity
from clip_onnx.names import FILE
from clip_onnx.settings import params
from runtimes import cases

MODELS, REFERENCES = Path("data/models"), Path("data/reference")
COUNT = 8  # inputs of each file
ALIKE = 0.99  # a cosine below this says by itself that an output is wrong
LENGTHS = 0.95, 1.05  # times ONNX Runtime's: 8-bit files keep to it, a forgotten scale does not


def compare(directory, reference, count, run):
    """The metrics of a file's directory on `count` inputs of the reference, spread over all.

    run: (path of the model, {input: array}) -> {output: float32} in the other runtime. The inputs
    are [count, …], for a graph of a fixed batch of 1 too: `run` takes their rows one by one then.
    Graphs that take a picture are run for each, one of a height and a width of its own.

    `cosine` is the worst against the reference, `runtime_cosine` the worst against ONNX Runtime
    on the same file. Outputs of other names or shapes, outputs that are no numbers, and outputs of
    the right direction but of another length than ONNX Runtime's are refused.
    """
    session, projection = sessions.session(directory), sessions.projection(directory)
    cosines, own_cosines = [], []
    for feeds, expected in cases.of(session, cases.Sample(reference, count)):
        own = native(session, feeds)
        found = _alike(own, run(directory / FILE, feeds))
        if projection is not None:
            end_id = sessions.end_id(session)
            found, own = (_projected(one, feeds, projection, end_id) for one in (found, own))
        cosines += [_cosines(truth, found[name], name) for name, truth in expected.items()]
        own_cosines += [_own_cosines(truth, found[name], name) for name, truth in own.items()]
    return {
        "inputs": sum(map(len, cosines)),
        "cosine": _worst(cosines),
        "runtime_cosine": _worst(own_cosines),
    }


def native(session, feeds):
    """{output: array} of ONNX Runtime; a graph of a fixed batch takes as many rows a run."""
    names = [output.name for output in session.get_outputs()]
    size, rows = session.get_inputs()[0].shape[0], len(next(iter(feeds.values())))
    if not isinstance(size, int):
        return dict(zip(names, session.run(None, feeds), strict=True))
    parts = []
    for start in range(0, rows, size):
        numbers = np.arange(start, start + size).clip(max=rows - 1)  # the last row fills it up
        parts.append(session.run(None, {name: feed[numbers] for name, feed in feeds.items()}))
    joined = [np.concatenate(part)[:rows] for part in zip(*parts, strict=True)]
    return dict(zip(names, joined, strict=True))


def _projected(outputs, feeds, projection, end_id):
    ((name, hidden),) = outputs.items()
    return {name: host.project(hidden, feeds["input_ids"], projection, end_id)}


def _alike(own, found):
    """The outputs of ONNX Runtime's names, refused if they lack one or differ in shape."""
    for name, truth in own.items():
        if name not in found:
            raise command.Refusal(f"it gives no {name}, but {', '.join(found) or 'nothing'}")
        if found[name].shape != truth.shape:
            shapes = f"{list(found[name].shape)}, not {list(truth.shape)}"
            raise command.Refusal(f"its {name} is {shapes}")
        for whose, array in (("its", found[name]), ("ONNX Runtime's", truth)):
            if not np.isfinite(array).all():
                raise command.Refusal(f"{whose} {name} is not finite")
    return {name: found[name] for name in own}


def _cosines(truth, output, name):
    truth, output = (array.reshape(len(truth), -1) for array in (truth, output))
    if not (output.any(1).all() and truth.any(1).all()):
        raise command.Refusal(f"its {name}, or what it should be, has a row of zeros")
    return parity.cosine(truth, output)


def _own_cosines(truth, output, name):
    cosines = _cosines(truth, output, name)
    rows = (array.reshape(len(truth), -1).astype(np.float64) for array in (output, truth))
    lengths = np.divide(*(np.linalg.norm(array, axis=1) for array in rows))
    least, most = LENGTHS
    if cosines.min() >= ALIKE and not (least <= lengths.min() and lengths.max() <= most):
        raise command.Refusal(f"its {name} is not of the length that ONNX Runtime's has")
    return cosines


def _worst(cosines):
    return round(float(np.concatenate(cosines).min()), 7)


def survey(model, files, run, count=COUNT):
    """{graph: {variant: metrics of `compare`, or {"reason": one line} where `run` refuses}}.

    files: (graph, variant) of a model of the current project. run: that of `compare`; what it
    says in its Refusal is the reason, so it names neither the file nor the runtime.
    """
    found = {}
    for name, variant in files:
        try:
            metrics = compare(MODELS / model / name / variant, REFERENCES / model, count, run)
        except command.Refusal as refusal:
            metrics = {"reason": command.first_line(refusal)}
        found.setdefault(name, {})[variant] = metrics
    return found


def refused(files, reason):
    """What `survey` gives where a runtime runs none of the files."""
    found = {}
    for name, variant in files:
        found.setdefault(name, {})[variant] = {"reason": command.first_line(reason)}
    return found


def files(model, *profiles):
    """(graph, variant) of a model's files: its encodings and products, and profiles if named.

    Without those of a tower that the model lacks.
    """
    settings = params.load()
    params.lookup(settings.models, model, "models")
    others = set(settings.grid.profiles) - set(profiles)
    return [
        (graph, variant)
        for graph, variant in settings.grid.files(model)
        if variant not in others and not absent.why(MODELS / model / graph / variant)
    ]


def main(measure, description):
    """The command line of a runtime's module: MODEL OUTPUT.json.

    measure: model -> {runtime: what `survey` gives}.
    """
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    content = measure(arguments.model)
    with command.output_file(arguments.output) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
