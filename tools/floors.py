"""What `floors:` of params.yaml asks of metrics/parity.json: one judgement for gate and review.

How much accuracy may fall is said against the reference's, which metrics/controls.json holds.

Known answers that differ from what was published count as broken floors, too.
"""

from typing import NamedTuple

PIXELS_MAX = 1  # grey levels by which a prepared picture may differ, where it may


class Judged(NamedTuple):
    """A figure that has a floor. `value` is None if it was not measured."""

    key: str  # model.graph.variant
    metric: str
    value: float | None
    floor: float
    most: bool = False  # the floor is the most that the value may be, not the least

    @property
    def holds(self):
        if self.value is None:
            return False
        return self.value <= self.floor if self.most else self.value >= self.floor

    @property
    def bound(self):
        value = self.floor if isinstance(self.floor, bool) else round(self.floor, 7)
        return f"{'at most' if self.most else 'at least'} {value}"

    def __str__(self):
        if self.value is None:
            return f"{self.key}: has a floor and no {self.metric}: build it or drop the floor"
        return f"{self.key}: {self.metric} is {self.value}, its floor {self.bound}"


def cases(parity, settings):
    """(model, graph, variant, floor) of every floor of the grid's models.

    A model's own are for files that must be there. Default ones are for what was measured.
    """
    for model in settings.grid.models:
        own = settings.floors.get(model, {})
        named = {(graph, variant) for graph, variants in own.items() for variant in variants}
        built = settings.grid.files_and_pytorch(model)
        measured = {(g, v) for g, v in built if v in parity.get(model, {}).get(g, {})}
        for graph, variant in sorted(named | measured):
            floor = settings.floor(model, graph, variant)
            if floor:
                yield model, graph, variant, floor


def of_file(key, metrics, reference, floor):
    """The judged figures of one file: its metrics, and those of the reference on its graph."""
    for name in ("cosine_min", "snr_db"):
        yield Judged(key, name, metrics.get(name), getattr(floor, name))
    if floor.accuracy_drop is not None:
        least = reference.get("accuracy", 1) - floor.accuracy_drop
        yield Judged(key, "accuracy", metrics.get("accuracy"), least)
    if floor.pixels_off is not None:
        yield Judged(key, "pixels_max", metrics.get("pixels_max"), PIXELS_MAX, most=True)
        yield Judged(key, "pixels_off", metrics.get("pixels_off"), floor.pixels_off, most=True)


def met(answers):
    """How many of some known answers are as published: `2 of 2`."""
    return f"{sum(one['agrees'] for one in answers)} of {len(answers)}"


def judged(parity, controls, settings):
    """Every figure of metrics/parity.json's content that has a floor."""
    for model, graph, variant, floor in cases(parity, settings):
        metrics = parity.get(model, {}).get(graph, {}).get(variant, {})
        reference = controls.get(model, {}).get(graph, {}).get("reference", {})
        yield from of_file(f"{model}.{graph}.{variant}", metrics, reference, floor)
    for model, graphs in parity.items():
        for name, answer in graphs.get("known_answers", {}).items():
            yield Judged(f"{model}.known_answers.{name}", "agrees", answer["agrees"], True)


def in_runtimes(runtimes, settings):
    """The figures of metrics/runtimes.json's content that params.yaml asks of each runtime.

    A file that a runtime does not run has no value.
    """
    for name, models in runtimes.items():
        asked = settings.runtimes.get(name)
        metric = "runtime_cosine" if asked and asked.cosine is None else "cosine"
        for key, figures in files(models).items() if asked else ():
            value = figures.get(metric)
            yield Judged(f"{key} in {name}", metric, value, getattr(asked, metric))


def files(metrics):
    """{model.graph.variant: figures} of every file; known answers are rows as well."""
    return {
        f"{model}.{graph}.{variant}": figures
        for model, graphs in metrics.items()
        for graph, variants in graphs.items()
        for variant, figures in variants.items()
    }
