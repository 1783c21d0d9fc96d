"""Our towers in LiteRT's interpreter, as runtimes/litert_convert.py makes them.

python -m runtimes.litert MODEL OUTPUT.json
"""

from pathlib import Path

from clip_onnx import command
from runtimes import comparison, litert_programs

PROFILE = "npu"  # what is converted
FILES = Path("data/litert")


def run(model, feeds):
    """`run` of comparison.compare: what was made of data/models/MODEL/TOWER/PROFILE/model.onnx."""
    tower = model.parent.parent.relative_to(comparison.MODELS)
    return litert_programs.run(FILES / tower / litert_programs.FILE, feeds)


def measure(model):
    if litert_programs.missing():
        raise command.Refusal(litert_programs.missing())
    towers = [file for file in comparison.files(model, PROFILE) if file[1] == PROFILE]
    return {"litert": comparison.survey(model, towers, run)}


if __name__ == "__main__":
    command.run(lambda: comparison.main(measure, __doc__))
