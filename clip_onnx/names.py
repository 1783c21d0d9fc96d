"""Names that stand in paths, keys and metadata alike."""

TOWERS = ("visual", "textual")
STD = "std"  # the profile whose graphs are encoded; the others' are finished
PREPROCESS = "preprocess"  # the product that needs no tower
PYTORCH = "pytorch"  # the variant that is no file: OpenAI's own code in fp32

# In a model's directory.
FILE, DATA_FILE = "model.onnx", "model.onnx.data"
ABSENT = "absent.txt"  # instead of them, where there is no such graph: clip_onnx/absent.py
PROJECTION = "text_projection.npy"  # what a profile leaves to the host: clip_onnx/host

PREPARATION = "preparation.json"  # in a checkpoint's, where it wants other pictures than OpenAI's
TOKENIZER = "tokenizer.json"  # in a checkpoint's and in a bundle
NETWORK = "network.json"  # in a checkpoint's, where its network is not OpenAI's

METRICS = "metrics.json"  # in a release's bundle: what was measured of its files
