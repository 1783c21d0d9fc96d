"""The pages' sample pictures: drawings, and two photographs that anyone may pass on."""

import json
import shutil
from importlib import resources

import numpy as np
from PIL import Image

from stages.evalset import drawings

DRAWN = ("large red circle", "small blue star", "large green square", "large yellow heart")
SIDE, SEED = 192, 7
# Photographs of scikit-image in the public domain: chelsea is CC0 by Stéfan van der Walt, SpaceX
# gave rocket to the public domain.
PHOTOGRAPHS = {"cat": "chelsea.png", "rocket": "rocket.jpg"}


def draw(folder):
    """Write the pictures and index.json, [{"file", "label", "photograph"}], to `folder`."""
    folder.mkdir()
    rng = np.random.default_rng(SEED)
    named = {str(label): label for label in drawings.LABELS}
    listed = []
    for text in DRAWN:
        name = f"{text.replace(' ', '-')}.png"
        Image.fromarray(drawings.draw(rng, named[text], SIDE)).save(folder / name)
        listed.append({"file": name, "label": text, "photograph": False})
    for label, name in PHOTOGRAPHS.items():
        shutil.copyfile(resources.files("skimage") / "data" / name, folder / name)
        listed.append({"file": name, "label": label, "photograph": True})
    (folder / "index.json").write_text(json.dumps(listed, indent=1, allow_nan=False), "utf-8")
