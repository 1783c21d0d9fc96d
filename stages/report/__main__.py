"""Gather every file's metrics into the ones that git keeps.

    python -m stages.report data/eval metrics/parity.json metrics/controls.json \\
        metrics/parity.csv metrics/table.md metrics/widths.csv metrics/cosines.csv

Writes {model: {graph: {variant: metrics}}}, with `known_answers` of a model that has some; {model:
{graph: {control, reference}}}, which are no figures of files: the negative control and the
reference's own accuracy; one row a file; README's table; for the files whose widths were chosen
tensor by tensor those; and how each file's cosines are distributed. What lies
there already stays where new figures differ by no more than noise (stages/report/noise.py). Which
files belong to it is the grid's word: leftovers of an earlier grid are not read.
"""

import argparse
from pathlib import Path

from clip_onnx import command
from clip_onnx.settings import params
from stages.report import cosines, figures, noise, widths


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = "evaluations", "parity", "controls", "rows", "table", "widths", "cosines"
    for name in names:
        parser.add_argument(name, type=Path)
    write(parser.parse_args())


def write(paths):
    """The report itself, from the folder of evaluations to six files."""
    settings = params.load()
    measured, controls, rounded, bits = figures.gather(paths.evaluations, settings.grid)
    parity, old = figures.settle(measured, paths.parity, settings)
    controls, _ = figures.settle(controls, paths.controls, settings)
    table = figures.frame(parity, settings.grid)
    new = set(figures.others(old, parity, settings.grid))
    found = cosines.frame(cosines.read(paths.evaluations, table["file"]))
    chosen = {key: its for key, its in bits.items() if its and figures.is_mixed(settings, key)}
    figures.to_csv(figures.distributions(found, paths.cosines, new, settings), paths.cosines)
    figures.dump(parity, paths.parity)
    figures.dump(controls, paths.controls)
    figures.to_csv(table, paths.rows)
    with command.output_file(paths.table) as file:
        file.write_text(figures.markdown(table, rounded), "utf-8")
    figures.to_csv(widths.frame(chosen), paths.widths)
    kept, every = noise.kept(old, parity)
    print(f"kept {kept} of {every} figures: they moved less than noise")


if __name__ == "__main__":
    command.run(main)
