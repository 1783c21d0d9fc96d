"""Speed and memory, measured; never a part of `dvc repro`."""
