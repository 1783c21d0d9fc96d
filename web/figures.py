"""What a file reaches in each runtime of the pages, and where it is not offered.

A runtime has figures of its own (metrics/runtimes.json). Where they are below the file's floor, or
below what `runtimes:` of params.yaml asks of the runtime, the pages do not offer the two together.
"""

import math

from stages.bundle import golden

# The pages' runtimes by their names in metrics/runtimes.json. Threads depend on the visitor's
# server: the worse of both counts.
BACKENDS = {
    "wasm": ("onnxruntime-web", "onnxruntime-web-threads"),
    "webgpu": ("onnxruntime-web-webgpu",),
}
MEASURED = ("cosine_min", "cosine_mean", "snr_db", "inputs")
EXACT = ("none", "weight_only", "mixed")  # schemes of fp32 arithmetic: runtimes agree on it
TOWER_OF = {"classifier": "visual", "image": "visual"}  # what a product computes with


class Figures:
    """The metrics, and the floors that they are judged by.

    parity and runtimes are what metrics/parity.json and metrics/runtimes.json hold, or {}; settings
    is params.yaml.
    """

    def __init__(self, parity, runtimes, settings):
        self.parity, self.runtimes, self.settings = parity, runtimes, settings

    def instead(self, parity, runtimes):
        """Other metrics, judged by the same params.yaml."""
        return Figures(parity, runtimes, self.settings)

    def of(self, model, graph, variant):
        """What index.json says of a file: {"parity", "runtimes", "withheld"}.

        `parity` is that of native ONNX Runtime, or None; `runtimes` is {runtime: {"cosine",
        "inputs"}} where it was measured, `withheld` {runtime: why it is not offered}.
        """
        measured = _at(self.parity, model, graph, variant)
        known = measured and _number(measured.get("cosine_min")) is not None
        floor = self._floor(measured if known else None, model, graph, variant)
        found, withheld = {}, {}
        for backend, names in BACKENDS.items():
            own = self._measured(names, model, graph, variant)
            # The same graph in fp32 speaks for a file that was not measured.
            judged = own or self._measured(names, model, TOWER_OF.get(graph, graph), "fp32")
            reasons = [self._below(name, one, variant, floor) for name, one in judged.items()]
            reason = next(filter(None, reasons), None)
            if reason:
                withheld[backend] = reason if own else f"{reason} (measured in fp32)"
            elif own:
                worst = min(own.values(), key=lambda one: one["cosine"])
                found[backend] = {key: worst[key] for key in ("cosine", "inputs")}
        return {
            "parity": {key: measured.get(key) for key in MEASURED} if known else None,
            "runtimes": found,
            "withheld": withheld,
        }

    def _measured(self, names, *file):
        """{runtime: its figures} of those that ran a file."""
        found = {name: _at(self.runtimes, name, *file) for name in names}
        return {name: one for name, one in found.items() if one and "cosine" in one}

    def _floor(self, measured, *file):
        """A file's own in params.yaml; without one, what it reached natively, on more inputs."""
        own = _at(self.settings.floors, *file)
        if own:
            return own.cosine_min
        default = _at(self.settings.default_floors, *file[1:])
        if measured:
            return golden.promised(default, measured["cosine_min"])
        return default.cosine_min if default else -1

    def _below(self, runtime, figures, variant, floor):
        """Why figures do not suffice, or None. What is no number never does."""
        limits = [("cosine", floor, "PyTorch")]
        encoding, of_runtime = self.settings.encodings[variant], self.settings.runtimes.get(runtime)
        if of_runtime and encoding.scheme in EXACT:
            limits.append(("cosine", of_runtime.cosine, "PyTorch"))
            limits.append(("runtime_cosine", of_runtime.runtime_cosine, "ONNX Runtime"))
        for metric, least, reference in limits:
            value = _number(figures.get(metric))
            if least is not None and (value is None or value < least):
                shown = "none" if value is None else f"{value:.5g}"
                return f"cosine to {reference} {shown}, where {least:g} is asked for"
        return None


def _at(content, *keys):
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _number(value):
    """A finite number, or None."""
    fits = isinstance(value, (int, float)) and math.isfinite(value)
    return value if fits else None
