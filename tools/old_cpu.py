"""The environment in which this machine computes as an old CPU with one core would.

Libraries choose among kernels by what the CPU can do, and add in another order in each of them.
Here each takes the plainest that it has. ONNX Runtime has no such variable: only another machine
shows what its choice does.
"""

import platform

import numpy as np

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
X86 = {
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    # Every x86-64 has what its kernels need; Haswell's are those that AMD's CPUs take anyway.
    "OPENBLAS_CORETYPE": "Nehalem",
}
ARM = {"OPENBLAS_CORETYPE": "ARMV8"}


def chosen_by_numpy():
    """The CPU features that NumPy found here and can do without; others it refuses to disable."""
    return np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])


def settings():
    """{variable: value}."""
    features = {"NPY_DISABLE_CPU_FEATURES": " ".join(chosen_by_numpy())}
    own = X86 if platform.machine() in ("x86_64", "AMD64") else ARM
    return ONE_THREAD | own | {"ATEN_CPU_CAPABILITY": "default"} | features
