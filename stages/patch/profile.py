"""What a profile of params.yaml makes of an exported graph.

Whole-graph options come first, each a file beside this, then the profile's patches, then the
operator set and the names, and last the checks of what the profile's runtimes can take.
"""

import json

from clip_onnx import graphs
from clip_onnx.graphs import opset, renaming, unit_length
from stages.patch import checks, ids, rewriting, shapes, text


def apply(model, profile):
    """Turn an exported tower into `profile`'s, in place.

    Returns {file name: array} of what the host needs beside the model. Options of the text
    leave visual towers alone. Raises Refusal where the profile cannot be met.
    """
    textual = model.metadata_props["graph"] == "textual"
    if textual and profile.length:
        profile = profile.model_copy(update={"length": _length(model, profile.length)})
    fixed = profile.batch or (textual and profile.length)
    narrow = textual and profile.input_ids == "int32"
    rewrite = text.REWRITES.get(profile.text) if textual else None
    if fixed:
        shapes.fix(model, profile.batch, profile.length)
    if narrow:
        ids.narrow(model)
    if fixed or narrow or rewrite:
        rewriting.clean(model)
    beside = rewrite(model) if rewrite else {}
    if profile.normalize:
        unit_length.normalize(model, model.graph.outputs[0].name)
    rewriting.apply(model, profile.patches)
    opset.convert(model, profile.opset)
    renaming.rename(model, profile.names or {})
    checks.operators(model, profile.operators)
    checks.rank(model, profile.rank)
    graphs.describe(model, **_description(profile, textual))
    return beside


def _length(model, wanted):
    """The wanted length of texts, or all that the model reads, if that is less."""
    most = json.loads(model.metadata_props["preprocessing"])["max_length"]
    if wanted > most:
        print(f"texts have {most} tokens, not {wanted}: more the model does not read")
    return min(wanted, most)


def _description(profile, textual):
    """metadata_props of the options that a host must know, where they are not the usual ones."""
    options = {"batch": profile.batch}
    if textual:
        options |= {"length": profile.length}
        options |= {"text": None if profile.text == "eot" else profile.text}
    return {name: value for name, value in options.items() if value is not None}
