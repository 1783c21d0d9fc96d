"""What the search page takes for large folders: time a picture, patience and memory.

    .venv-runtimes/bin/python -m bench.pages [--against REVISION]

Folders of 300, 5,000 and 20,000 drawings are indexed in Chromium with tiny-vit's int8w, searched
and looked through; then 40 photographs of 12 megapixels, during which a text is asked again and
again. With a revision, the pages of that commit do the same in turns, of the same bundles. Memory
is that of the renderer's process (Pss, of /proc). First of all the front page is opened over a slow
connection: how long until its first query is answered. Writes bench/pages.json and .md.
"""

import argparse
import shutil
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from bench import comparison
from bench.records import commit, write
from clip_onnx import command
from runtimes import browser
from stages.evalset import drawings

FOLDER = Path("build/bench-pages")
RECORDS = Path("bench/pages.json")
COUNTS = (300, 5_000, 20_000)
LARGE, LARGE_SIZE, QUERIES = 40, (4000, 3000), 10
LOOKED_AT = 984  # results: at least so many, or all, are shown and gone through
CHOICE = '{"model": "tiny-vit", "variant": "int8w", "runtime": "wasm"}'
HOUR = 3_600_000  # ms
SAID = "document.querySelector('#folder-status').textContent"
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}


def small(count):
    """A folder of drawings, made if it is not there."""
    folder = FOLDER / f"pictures-{count}"
    if not folder.exists():
        rng = np.random.default_rng(0)
        some = [Image.fromarray(drawings.draw(rng, label)) for label in drawings.LABELS * 4]
        with command.output(folder) as partial:
            for number in range(count):
                some[number % len(some)].save(partial / f"{number:05}.png")
    return folder


def large():
    """A folder of photographs as a phone makes them."""
    folder = FOLDER / "photographs"
    if not folder.exists():
        with command.output(folder) as partial:
            rocket = Image.open(resources.files("skimage") / "data/rocket.jpg").resize(LARGE_SIZE)
            for number in range(LARGE):
                rocket.rotate(number).save(partial / f"{number:02}.jpg", quality=90)
    return folder


def site(revision):
    """The pages that a commit's code builds of this tree's bundles."""
    name = commit(revision)
    folder, code = FOLDER / f"site-{name}", FOLDER / f"code-{name}"
    if folder.exists():
        return folder
    shutil.rmtree(code, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", ".", code], check=True)
    checkout = ["git", "checkout", "--quiet", "--detach", name]
    subprocess.run(checkout, cwd=code, check=True)
    (code / "web/node_modules").symlink_to(Path("web/node_modules").resolve())
    line = [sys.executable, "-m", "web.build", folder.resolve()]
    line += ["--bundles", Path("data/bundles").resolve(), "--metrics", Path("metrics").resolve()]
    subprocess.run(line, cwd=code, check=True, stdout=subprocess.DEVNULL)
    return folder


class Visit:
    """The search page in a Chromium of its own."""

    def __init__(self, chromium, address):
        self.chromium = chromium
        self.page = chromium.new_page()
        self.page.set_default_timeout(HOUR)
        self.page.add_init_script(f"localStorage.setItem('clip-onnx.choice', '{CHOICE}')")
        self.page.goto(f"{address}/index.html")
        self.page.wait_for_function("!document.querySelector('#model').disabled")

    def open(self, folder):
        self.page.set_input_files("#folder", folder)

    def wait(self, text):
        self.page.wait_for_function(f"text => {SAID}.includes(text)", arg=text)

    def ask(self, text):
        """Milliseconds until a text is answered."""
        return self.page.evaluate(
            """(text) => new Promise((resolve) => {
                const title = document.querySelector("#results-title");
                const started = performance.now();
                const look = new MutationObserver(() => {
                    if (!title.textContent.startsWith(`“${text}”: the closest`)) return;
                    look.disconnect();
                    resolve(performance.now() - started);
                });
                look.observe(title, { childList: true, characterData: true, subtree: true });
                document.querySelector("#query").value = text;
                document.querySelector("#form").requestSubmit();
            })""",
            text,
        )

    def show(self, count):
        """Press "Show more" until so many results, or all, are shown, and go to their end."""
        self.page.evaluate(
            """async (count) => {
                const more = document.querySelector("#more");
                while (!more.hidden && document.querySelectorAll("#results li").length < count) {
                    more.click();
                    await new Promise(requestAnimationFrame);
                }
                const items = [...document.querySelectorAll("#results li")];
                for (let place = 0; place < items.length; place += 20) {
                    items[place].scrollIntoView();
                    await new Promise(requestAnimationFrame);
                }
                // Until the last thumbnails are drawn.
                await new Promise((resolve) => setTimeout(resolve, 3000));
            }""",
            count,
        )

    def megabytes(self):
        """The renderer's memory."""
        session = self.chromium.new_browser_cdp_session()
        found = session.send("SystemInfo.getProcessInfo")["processInfo"]
        rollups = [
            Path(f"/proc/{one['id']}/smaps_rollup").read_text("utf-8")
            for one in found
            if one["type"] == "renderer"
        ]
        pss = [
            int(line.split()[1])
            for rollup in rollups
            for line in rollup.splitlines()
            if line.startswith("Pss:")
        ]
        return round(max(pss) * 1024 / 1e6)


def small_pictures(chromium, address, count):
    """What a folder of drawings takes."""
    visit = Visit(chromium, address)
    started = time.perf_counter()
    visit.open(small(count))
    visit.wait(f"{count} of {count} pictures indexed")
    seconds = time.perf_counter() - started
    figures = {"ms a picture": round(1000 * seconds / count, 1)}
    figures["MB, indexed"] = visit.megabytes()
    answers = [visit.ask(f"a star beside {number} circles") for number in range(QUERIES)]
    figures["ms a query"] = round(float(np.median(answers)))
    visit.show(LOOKED_AT)
    figures["MB, looked through"] = visit.megabytes()
    return figures


def large_pictures(chromium, address):
    """What photographs take, and how long a text waits for them."""
    visit = Visit(chromium, address)
    started = time.perf_counter()
    visit.open(large())
    visit.page.wait_for_function(f"/indexing: [1-9]/.test({SAID})")
    answers = [visit.ask(f"a rocket and {number} stars") for number in range(QUERIES)]
    visit.wait(f"{LARGE} of {LARGE} pictures indexed")
    seconds = time.perf_counter() - started
    return {
        "ms a picture": round(1000 * seconds / LARGE),
        "ms a query, the worst while indexing": round(max(answers)),
        "MB, indexed": visit.megabytes(),
    }


def first_answer(chromium, address):
    """What comes over a slow connection until the front page has answered its first query."""
    page = chromium.new_page()
    page.set_default_timeout(HOUR)
    session, received = page.context.new_cdp_session(page), []
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW)
    session.on("Network.loadingFinished", lambda one: received.append(one["encodedDataLength"]))
    started = time.perf_counter()
    page.goto(f"{address}/index.html", wait_until="commit")
    title = "document.querySelector('#results-title')?.textContent"
    page.wait_for_function(f"{title}?.includes(': the closest')")
    seconds = time.perf_counter() - started
    return {"s until answered": round(seconds, 1), "kB until then": round(sum(received) / 1e3)}


def markdown(records):
    kinds = [
        [record for record in records if record["folder"].endswith(kind)]
        for kind in ("a slow connection", "drawings", "photographs")
    ]
    return f"""# The search page: a slow connection, large folders

Written by `python -m bench.pages`. tiny-vit's int8w in Chromium on the CPU; drawings of 64 pixels
and {LARGE} photographs of {LARGE_SIZE[0] * LARGE_SIZE[1] // 10**6} megapixels. Memory is the
renderer's (Pss), WebAssembly's and the models' included. A later row of the same folder is of an
earlier commit, measured in turns. The slow connection has 1.6 Mbit/s and 150 ms to the server;
`looked through` is when at least {LOOKED_AT} results, or all, were shown down to the last.

{(chr(10) * 2).join(map(comparison.table, kinds))}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--against", metavar="REVISION")
    against = parser.parse_args().against
    FOLDER.mkdir(parents=True, exist_ok=True)
    jobs = [("the front page over a slow connection", first_answer, ())]
    jobs += [(f"{count:,} drawings", small_pictures, (count,)) for count in COUNTS]
    jobs.append((f"{LARGE} photographs", large_pictures, ()))
    records = []
    for name, measure, arguments in jobs:
        for revision in filter(None, ("HEAD", against)):
            with browser.serving({"/": site(revision)}) as address, browser.chromium() as chromium:
                figures = measure(chromium, address, *arguments)
            records.append({"folder": name, "commit": commit(revision), **figures})
            print(records[-1], flush=True)
            write(RECORDS, records)
    RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")


if __name__ == "__main__":
    command.run(main)
