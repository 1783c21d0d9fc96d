"""What a file that ONNX Runtime optimised is tied to: its version, and the CPU's instructions."""

import json
import platform
from pathlib import Path
from typing import Any

import onnxruntime

from clip_onnx.command import Refusal

FILE = "machine.json"
CPU = Path("/proc/cpuinfo")
KINDS = ("avx", "amx", "sse", "fma", "f16c", "asimd", "sve", "sme", "i8mm", "bf16")


def here() -> dict[str, Any]:
    """{onnxruntime: version, system, instructions: those for vectors and matrices}."""
    system = f"{platform.system()} {platform.machine()}"
    found = {"onnxruntime": onnxruntime.__version__, "system": system}
    return found | {"instructions": sorted(instructions())}


def instructions() -> set[str]:
    """Of this CPU, as Linux names them; elsewhere the CPU's name stands for them."""
    if not CPU.exists():
        return {platform.processor()}
    lines = CPU.read_text("utf-8").splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return {flag for flag in flags.partition(":")[2].split() if flag.startswith(KINDS)}


def check(folder: Path) -> None:
    """Raise Refusal for a folder of files that were optimised for another machine."""
    file = folder / FILE
    if not file.exists():
        return
    try:
        made_for = json.loads(file.read_text("utf-8"))
        differing = [key for key, value in here().items() if made_for[key] != value]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Refusal(f"{file} cannot be read, make the folder again: {error!r}") from None
    if differing:
        raise Refusal(
            f"{folder} was optimised for another machine (other {', '.join(differing)}): run"
            " `clip-onnx optimise` here, on the bundle that it was made of"
        )
