"""Measure what each weight of a tower means to its embedding.

    python -m stages.sensitivity data/models/MODEL/TOWER/fp32 data/evalset data/reference/MODEL \\
        data/sensitivity/MODEL.TOWER.json

For every weight: `error`, the mean of 1 - cosine when it alone is rounded to BITS, and for matrix
products `input_error`, when what it multiplies is quantised to 8 bits as it comes. Inputs are a
part of the calibration split. A tower is cut where a single tensor carries everything on, so that
only what follows a changed layer is run again.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from tqdm import tqdm

from stages import command, graph, parity, runtime
from stages.calibration import Calibration
from stages.schemes import equalise, rounding, weight_only

BITS, BLOCK = 4, 32
BATCHES, INPUTS = 16, 4  # at most, and of each
SWITCH = ".quantised"  # suffix of the inputs, 0 or 1, that switch a product's input over


def segments(model, found):
    """[(value that carries everything on or None, the weights up to the next such value), …]."""
    by_node = {weight.consumer: weight for weight in found}
    cut, weights, live = None, [], {}  # live: {value of the data's path: uses still to come}
    on_path = set()
    for node in model.graph:
        if weights and len(live) == 1:
            yield cut, weights
            (cut,), weights = live, []
        for value in node.inputs:
            if value in live:
                live[value] -= 1
                if not live[value]:
                    del live[value]
        if node in by_node or any(value in on_path for value in node.inputs):
            on_path.update(node.outputs)
            live |= {value: len(value.uses()) for value in node.outputs if value.uses()}
        if node in by_node:
            weights.append(by_node[node])
    if weights:
        yield cut, weights


def measurable(model, cut, weights, following):
    """A copy of the tower from `cut` on, whose `weights` are inputs, and `following` an output.

    Each product among them gets a switch besides.
    """
    copy = model.clone()
    values = {value.name: value for node in copy.graph for value in node.outputs}
    if cut is not None:
        start = ir.Value(name=f"{cut.name}.cut", type=cut.type, shape=cut.shape)
        start.type = start.type or ir.TensorType(ir.DataType.FLOAT)
        ir.convenience.replace_all_uses_with(values[cut.name], start)
        copy.graph.inputs.append(start)
    names = {weight.value.name for weight in weights}
    for weight in [w for w in weight_only.weights(copy) if w.value.name in names]:
        copy.graph.initializers.pop(weight.value.name)
        weight.value.const_value = None
        copy.graph.inputs.append(weight.value)
        if weight.consumer.op_type == "MatMul":
            _add_switch(copy.graph, weight)
    if following is not None:
        values[following.name].type = ir.TensorType(ir.DataType.FLOAT)
        copy.graph.outputs.append(values[following.name])
    RemoveUnusedNodesPass()(copy)
    return copy


def _add_switch(container, weight):
    """Let the product read x + switch * (quantised x - x)."""
    name = weight.value.name + SWITCH
    switch = ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([]))
    container.inputs.append(switch)
    read = weight.consumer.inputs[0]
    quantise = ir.node("DynamicQuantizeLinear", [read], num_outputs=3)
    restore = ir.node("DequantizeLinear", quantise.outputs)
    change = ir.node("Sub", [restore.outputs[0], read])
    switched = ir.node("Mul", [change.outputs[0], switch])
    changed = ir.node("Add", [read, switched.outputs[0]])
    nodes = [quantise, restore, change, switched, changed]
    for node in nodes:
        for number, value in enumerate(node.outputs):
            value.name = f"{name}.{node.op_type}.{number}"
    container.insert_before(weight.consumer, nodes)
    weight.consumer.replace_input_with(0, changed.outputs[0])


class Segment:
    """Runs a tower from one cut on."""

    def __init__(self, model, cut, weights, following):
        with tempfile.TemporaryDirectory() as folder:
            graph.save(measurable(model, cut, weights, following), folder, external=True)
            self.tower = runtime.session(folder)
        self.taken = [value.name for value in self.tower.get_inputs()]
        self.outputs = [value.name for value in self.tower.get_outputs()]
        self.plain = {weight.value.name: weight.array() for weight in weights}
        self.plain |= {n: np.array(0, np.float32) for n in self.taken if n.endswith(SWITCH)}

    def run(self, given, changed=None):
        """[embeddings, what the next cut carries on if there is one] of one batch."""
        fed = {**given, **self.plain, **(changed or {})}
        return self.tower.run(self.outputs, {name: fed[name] for name in self.taken})

    def error(self, batches, embeds, changed):
        """The mean of 1 - cosine over all batches with some of the inputs changed."""
        pairs = zip(batches, embeds, strict=True)
        cosines = [parity.cosine(right, self.run(given, changed)[0]) for given, right in pairs]
        return float(f"{max(0, 1 - np.concatenate(cosines).mean()):.4g}")


def measure(model, batches):
    """A row a weight, in the graph's order; `model` is equalised in place."""
    found = list(weight_only.weights(model))
    equalise.apply(model, found)
    parts = list(segments(model, found))
    (value,) = model.graph.inputs
    name, dtype = value.name, value.dtype.numpy()
    batches, rows = [{name: batch.astype(dtype, copy=False)} for batch in batches], []
    with tqdm(total=len(found), desc="sensitivity") as bar:
        for (cut, weights), following in zip(parts, [*parts[1:], (None, None)], strict=True):
            segment = Segment(model, cut, weights, following[0])
            outputs = [segment.run(given) for given in batches]
            embeds = [output[0] for output in outputs]
            for weight in weights:
                rows.append(row(segment, weight, batches, embeds))
                bar.update()
            if following[0] is not None:
                carried = f"{following[0].name}.cut"
                batches = [
                    {name: given[name], carried: output[1]}
                    for given, output in zip(batches, outputs, strict=True)
                ]
    return rows


def row(segment, weight, batches, embeds):
    name, matrix = weight.value.name, weight.matrix()
    changed = weight.arrange(rounding.round_matrix(matrix, BITS, BLOCK).matrix(), None)
    result = {"name": name, "weights": matrix.size}
    result["error"] = segment.error(batches, embeds, {name: np.ascontiguousarray(changed)})
    if name + SWITCH in segment.plain:
        result["input_error"] = segment.error(
            batches, embeds, {name + SWITCH: np.array(1, np.float32)}
        )
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "evalset", "reference", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    model = graph.load(arguments.model)
    split = Calibration(arguments.evalset, arguments.reference, model.metadata_props["graph"])
    batches = list(split.batches())
    spread = np.linspace(0, len(batches) - 1, min(BATCHES, len(batches))).astype(int)
    chosen = [batches[number][:INPUTS] for number in spread]
    with command.output_file(arguments.output) as partial:
        table = {"bits": BITS, "block": BLOCK, "tensors": measure(model, chosen)}
        partial.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    command.run(main)
