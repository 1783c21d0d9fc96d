"""The JavaScript of a model card, in Node, as it is pasted."""

import subprocess

import pytest
from test_card import example, fill, has_bundles

from runtimes import browser

pytestmark = pytest.mark.runtimes
LOCAL = """import { env } from "@huggingface/transformers";
Object.assign(env, { allowRemoteModels: false, localModelPath: "./" });
"""  # instead of the network


@has_bundles
@pytest.mark.skipif(
    not (browser.PACKAGES / "@huggingface/transformers").is_dir(),
    reason="make runtimes/node_modules/installed",
)
def test_it_tells_what_the_picture_shows(tmp_path):
    fill(tmp_path)
    (tmp_path / "node_modules").symlink_to(browser.PACKAGES.resolve())
    (tmp_path / "example.mjs").write_text(LOCAL + example("js"), "utf-8")
    line = ["node", "example.mjs"]
    printed = subprocess.run(line, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    circle, star = (float(row.split()[-1]) for row in printed.splitlines())
    assert circle > 0.8 > star
