"""Run a file in one version of ONNX Runtime, optimised and not, for bench/old_runtimes.py.

    python -I bench/old_run.py VERSION FOLDER MODEL FEEDS OUTPUTS

FOLDER has that version and its numpy; `-` is the interpreter's own. FEEDS is an .npz of CASE/INPUT,
OUTPUTS becomes one of LEVEL/CASE/OUTPUT. Nothing of the project is imported: old packages would
not take it. Exit status 3 where the version refuses the file, 4 where FOLDER has another one; any
other but 0 is a failure while it ran.
"""

import sys

version, folder, model, feeds, outputs = sys.argv[1:]
if folder != "-":
    sys.path.insert(0, folder)

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402

if onnxruntime.__version__ != version:  # an installed one would pass for the one that is missing
    print(f"{folder} has ONNX Runtime {onnxruntime.__version__}, not {version}", file=sys.stderr)
    sys.exit(4)
cases = {}
for key, array in np.load(feeds).items():
    case, name = key.split("/")
    cases.setdefault(case, {})[name] = array
found = {}
for level in ("ORT_ENABLE_ALL", "ORT_DISABLE_ALL"):
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        print(str(error).splitlines()[0], file=sys.stderr)
        sys.exit(3)
    names = [output.name for output in session.get_outputs()]
    for case, given in cases.items():
        for name, array in zip(names, session.run(names, given), strict=True):
            found[f"{level}/{case}/{name}"] = array
np.savez(outputs, **found)
