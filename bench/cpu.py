"""What a CPU multiplies int8 by: times of quantised files hang on it more than on its clock."""

from clip_onnx.host import machine

KINDS = {  # instructions as Linux names them, the widest first
    "amx_int8": "AMX",
    "avx512_vnni": "AVX-512 with VNNI",
    "avx_vnni": "AVX2 with VNNI",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "i8mm": "Arm with I8MM",
    "asimddp": "Arm with dot products",
}


def kind():
    """The widest of KINDS that this CPU has; its own name, or nothing, where it has none."""
    found = machine.instructions()
    return next((name for flag, name in KINDS.items() if flag in found), "".join(sorted(found)))
