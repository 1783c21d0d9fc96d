"""What other people's clients make of a bundle as it is: their embeddings beside `Clip`'s.

    python -m bench.clients

Each client is installed in its version of CLIENTS into a folder of build/bench-clients, beside this
environment's packages; it embeds the captions of golden.json and two pictures of noise, one that
loses an even number of columns when its middle is cut out and one that loses an odd one. Writes
bench/clients.json and .md; docs/clients.md says what to do.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from bench import comparison
from bench.installing import install
from bench.records import commit, write
from clip_onnx import Clip, command
from clip_onnx.host import tokens
from clip_onnx.measure import parity

RECORDS, FOLDER = Path("bench/clients.json"), Path("build/bench-clients").absolute()
BUNDLE = Path("data/bundles/tiny-vit")
SIZES = {"even margins": (96, 64), "odd margins": (91, 70)}  # of tiny-vit's 64 pixels
OPTIMUM = ["optimum-onnx==0.1.0", "optimum==2.3.0"]
# The last transformers that optimum-onnx knows, and what that asks for in other versions than ours.
OPTIMUM += ["transformers==4.57.6", "huggingface_hub==0.36.2", "tokenizers==0.22.2"]
LEARN = ["scikit-learn==1.9.1", "scipy==1.17.1", "joblib==1.6.0", "threadpoolctl==3.8.0"]
LEARN += ["cloudpickle==3.1.3", "httpx==0.28.1", "httpcore", "h11", "anyio", "sniffio"]
CLIENTS = {
    "fastembed": ["fastembed==0.9.1", "py-rust-stemmers==0.1.8", "mmh3==5.2.1", "loguru==0.7.3"],
    "optimum": OPTIMUM,
    "sentence_transformers": ["sentence-transformers==6.2.0", *OPTIMUM, *LEARN],
}


def inputs():
    """The captions and the pictures' paths, written where a client reads them."""
    golden = json.loads((BUNDLE / "golden.json").read_text("utf-8"))
    texts = [one["caption"] for one in golden["texts"]]
    texts = [text for text in texts if len(tokens.clean(text)) < 200]  # clients cut in other ways
    rng, pictures = np.random.default_rng(0), []
    for name, (width, height) in SIZES.items():
        pictures.append(str(FOLDER / f"{name}.png"))
        noise = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(pictures[-1])
    return {"texts": texts, "pictures": pictures}


def ask(client, given):
    """({"texts" and "pictures": embeddings} of what it makes, what it said where it failed)."""
    folder = install(FOLDER / client, CLIENTS[client], sys.executable)
    read, made = FOLDER / "inputs.json", FOLDER / f"{client}.npz"
    made.unlink(missing_ok=True)
    read.write_text(json.dumps(given, allow_nan=False), "utf-8")
    line = [sys.executable, "-m", "bench.client_run", client, BUNDLE, read, made]
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}.", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {}, done.stderr.strip().splitlines()[-1]
    with np.load(made) as content:
        return dict(content), ""


def record(client, given, clip):
    found, said = ask(client, given)
    figures = {"client": client, "packages": ", ".join(CLIENTS[client][:3]), "said": said}
    if "texts" in found:
        expected = clip.encode_text(given["texts"])
        figures["texts"] = round(float(parity.cosine(expected, found["texts"]).min()), 7)
    if "pictures" in found:
        cosines = parity.cosine(clip.encode_image(given["pictures"]), found["pictures"])
        figures |= {name: round(float(one), 7) for name, one in zip(SIZES, cosines, strict=True)}
    return figures | {"commit": commit()}


def markdown(records):
    columns = ("client", "packages", "texts", *SIZES, "said")
    rows = [{name: one.get(name, "") for name in columns} for one in records]
    return f"""# Other people's clients on a bundle

Written by `python -m bench.clients`, at commit {records[0]["commit"]}: the worst cosine of the
captions of golden.json with what `Clip` makes of them, and that of two pictures of noise. A blank
is what a client does not do; `said` is the last line of one that fails. `{BUNDLE}`, in fp32.

{comparison.table(rows)}
"""


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    given, clip = inputs(), Clip(BUNDLE)
    records = [record(client, given, clip) for client in CLIENTS]
    write(RECORDS, records)
    RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")


if __name__ == "__main__":
    command.run(main)
