"""Make a product of a model's finished towers.

    python -m stages.compose PRODUCT data/checkpoints/MODEL \\
        --visual data/models/MODEL/visual/ENCODING --textual data/models/MODEL/textual/ENCODING \\
        --labels-by data/patch/MODEL/textual/std data/models/MODEL/PRODUCT/ENCODING
    python -m stages.compose preprocess data/checkpoints/MODEL data/models/MODEL/preprocess/fp32

`products.PRODUCT` of params.yaml says what it is: its kind is a module of stages/compose/products.
A classifier's labels are embedded by the tower of --labels-by. A product of a tower that the model
lacks is absent, too (clip_onnx/absent.py).
"""

import argparse
from pathlib import Path

from clip_onnx import absent, command, graphs
from clip_onnx.graphs import schema
from clip_onnx.names import PREPROCESS
from clip_onnx.settings import params
from stages.compose import products


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("product")
    parser.add_argument("checkpoint", type=Path)
    for name in ("--visual", "--textual", "--labels-by"):
        parser.add_argument(name, type=Path)
    parser.add_argument("output")
    given = parser.parse_args()
    kind, product = PREPROCESS, None
    if given.product != PREPROCESS:
        product = params.lookup(params.load().products, given.product, "products")
        kind = product.kind
    with absent.passed_on(given.output):
        model = products.NAMED[kind].make(product, given)
        graphs.describe(model, product=given.product)
        schema.check(model)  # towers of a lower operator set lack what some products need
        with command.output(given.output) as directory:
            graphs.save(model, directory)


if __name__ == "__main__":
    command.run(main)
