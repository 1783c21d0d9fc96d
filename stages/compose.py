"""Make a product of a model's finished towers.

    python -m stages.compose PRODUCT --visual data/models/MODEL/visual/ENCODING \\
        --textual data/models/MODEL/textual/ENCODING --labels-by data/models/MODEL/textual/fp32 \\
        --checkpoint data/checkpoints/MODEL data/models/MODEL/PRODUCT/ENCODING
    python -m stages.compose preprocess --checkpoint data/checkpoints/MODEL \\
        data/models/MODEL/preprocess/fp32

`products.PRODUCT` of params.yaml says what it is. A classifier's labels are embedded by the tower
of --labels-by: the matrix is kept in fp32 whatever the encoding.
"""

import argparse
from pathlib import Path

import numpy as np

from stages import architecture, command, graph, params, runtime, schema, tokens, unit, weights
from stages.products import classifier, combined, image, labels, preprocess


def logit_scale(checkpoint):
    return float(np.exp(weights.read(checkpoint, "logit_scale").astype(np.float64)))


def make_combined(product, towers):
    visual, textual = graph.load(towers.visual), graph.load(towers.textual)
    return combined.build(visual, textual, logit_scale(towers.checkpoint))


def make_classifier(product, towers):
    names = labels.read(product.labels)
    prompts = labels.prompts(names, product.templates)
    tokenizer = tokens.load(towers.checkpoint / "tokenizer.json")
    matrix = labels.embed(prompts, runtime.session(towers.labels_by), tokenizer)
    model = classifier.build(
        graph.load(towers.visual),
        matrix,
        logit_scale(towers.checkpoint),
        names,
        product.templates,
    )
    if product.form == "camera":
        classifier.camera(model, names)
    return model


def make_image(product, towers):
    model = image.build(graph.load(towers.visual))
    if product.normalize:
        unit.normalize(model, model.graph.outputs[0].name)
    return model


def make_unit(product, towers):
    model = graph.load(getattr(towers, product.tower))
    unit.normalize(model, model.graph.outputs[0].name)
    return model


MAKERS = {
    "combined": make_combined,
    "classifier": make_classifier,
    "image": make_image,
    "unit": make_unit,
}


def make_preprocess(towers):
    shapes = weights.shapes(towers.checkpoint)
    model = preprocess.build(architecture.read(shapes).resolution)
    graph.describe(
        model,
        checkpoint_sha256=weights.sha256(towers.checkpoint),
        pipeline_version=graph.pipeline_version(),
        variant=params.QUANTIZED_FROM,
    )
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("product")
    for name in ("--visual", "--textual", "--labels-by", "--checkpoint"):
        parser.add_argument(name, type=Path)
    parser.add_argument("output")
    arguments = parser.parse_args()
    if arguments.product == params.PREPROCESS:
        model = make_preprocess(arguments)
    else:
        product = params.lookup(params.load().products, arguments.product, "products")
        model = MAKERS[product.kind](product, arguments)
    graph.describe(model, product=arguments.product)
    schema.check(model)  # towers of a lower operator set lack what some products need
    with command.output(arguments.output) as directory:
        graph.save(model, directory)


if __name__ == "__main__":
    command.run(main)
