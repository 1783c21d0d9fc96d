"""The pipeline as a Mermaid chart: a box a folder of stages/, in phases."""

from dvc.repo import Repo

from tools import stale

EVERYWHERE = "pins"  # stands before nearly all stages: its arrows would hide the others
PHASES = {
    "inputs": ("evalset", "download"),
    "truth": ("reference", "calibrate"),
    "graphs": ("export", "patch"),
    "files": ("sensitivity", "encode", "compose"),
    "figures": ("evaluate", "check", "report"),
    "folder to ship": ("bundle",),
}


def folder(stage):
    """The folder whose program a stage of dvc.yaml runs: the first word of its name."""
    return stage.name.split("@")[0].split("-")[0]


def edges(repo):
    """{(a folder, one whose stages depend on its)}."""
    graph = repo.index.graph
    pairs = {
        (folder(before), folder(after))
        for after, before in graph.edges
        if stale.of_pipeline(before) and stale.of_pipeline(after)
    }
    return {pair for pair in pairs if EVERYWHERE not in pair and pair[0] != pair[1]}


def mermaid():
    lines = ["```mermaid", "flowchart LR"]
    for title, folders in PHASES.items():
        lines += [f'    subgraph {title.replace(" ", "_")}["{title}"]']
        lines += [f"        {name}" for name in folders]
        lines += ["    end"]
    lines += [f"    {before} --> {after}" for before, after in sorted(edges(Repo(".")))]
    return "\n".join([*lines, "```"])
