"""Put what is generated into README.md and docs/, between its markers.

python -m tools.docs             write
python -m tools.docs --check     fail where a page is not current
"""

import argparse
import re
from pathlib import Path

import pandas as pd

from bench import comparison, old_runtimes, records, table, uses
from clip_onnx import command
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from stages.report.columns import decibels
from tools import kept, matrix, real_figures, stage_graph

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
MARKERS = re.compile(r"<!-- (\w+) -->\n.*?<!-- end of \1 -->", re.DOTALL)
SHOWN = "tiny-vit"  # the model of README's table


def encodings(parity):
    """A row an encoding that both towers have: what it takes, and its worst cosine."""
    towers = [parity[SHOWN][tower] for tower in TOWERS]
    rows = [
        {
            "encoding": f"`{name}`",
            "MB": f"{sum(tower[name]['size_mb'] for tower in towers):.2f}",
            "worst cosine": cosine(*towers, name=name),
            "of the pictures": cosine(towers[0], name=name),
            "of the texts": cosine(towers[1], name=name),
            "SNR of both, dB": " / ".join(decibels(tower[name]["snr_db"]) for tower in towers),
        }
        for name in encoded(parity)
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def cosine(*towers, name):
    """The worst of a file's cosines, or that one is no number."""
    found = [tower[name]["cosine_min"] for tower in towers]
    return "no number" if None in found else f"{min(found):.7f}"


def encoded(parity):
    """The encodings of both towers, the largest file first."""
    visual, textual = (parity[SHOWN][tower] for tower in TOWERS)
    known = [name for name in params.load().grid.encodings.of_both_towers if name in visual]
    return sorted(known, key=lambda name: -visual[name]["size_mb"] - textual[name]["size_mb"])


def sections():
    """{name: what stands between its markers}."""
    models = params.load().models
    return {
        "openai_in_brief": real_figures.in_brief(models),
        "openai": real_figures.results(models),
        "encodings": encodings(kept.json_of(kept.METRICS / "parity.json")),
        "results": kept.text_of(kept.METRICS / "table.md").strip(),
        "stages": stage_graph.mermaid(),
        "models": table.summary(kept.json_of(table.RECORDS)),
        "runtimes": matrix.current(),
        "old_runtimes": old_runtimes.table(records.read(old_runtimes.RECORDS)),
        "peers": comparison.summary(kept.json_of(comparison.RECORDS)),
        "uses": uses.table(kept.json_of(comparison.RECORDS), uses.STORED),
    }


def fill(text, sections):
    """A text with every section between `<!-- name -->` and `<!-- end of name -->`."""

    def put(found):
        name = found[1]
        if name not in sections:
            raise command.Refusal(f"<!-- {name} -->: no such section; correct the marker")
        return f"<!-- {name} -->\n{sections[name]}\n<!-- end of {name} -->"

    return MARKERS.sub(put, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    known = sections()
    old = {page: page.read_text("utf-8") for page in PAGES}
    new = {page: fill(text, known) for page, text in old.items()}
    everything = "".join(new.values())
    missing = [name for name in known if f"<!-- {name} -->" not in everything]
    if missing:
        raise command.Refusal(f"no page has the markers of {', '.join(missing)}: put them back")
    changed = [page for page in PAGES if new[page] != old[page]]
    if arguments.check and changed:
        listed = ", ".join(map(str, changed))
        raise command.Refusal(f"{listed}: not current; run `make docs` and commit it")
    for page in changed:
        page.write_text(new[page], "utf-8")


if __name__ == "__main__":
    command.run(main)
