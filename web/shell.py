"""What a browser keeps of the site for visits without a network: all but models and WebAssembly.

Those are kept by their digests as they come (web/site/js/keeping.js).
"""

import hashlib
import json

WORKER = "sw.js"
PLACE = 'const VERSION = "", FILES = [];'


def name_files(site):
    """Write into the site's service worker which files it keeps, and a digest of them all."""
    paths = sorted(path for path in site.rglob("*") if path.is_file() and _kept(path, site))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(site)}\0".encode() + path.read_bytes())
    names = ["./", *(path.relative_to(site).as_posix() for path in paths)]
    worker = site / WORKER
    version, files = (json.dumps(one, allow_nan=False) for one in (digest.hexdigest()[:16], names))
    filled = f"const VERSION = {version}, FILES = {files};"
    text = worker.read_text("utf-8")
    assert PLACE in text
    worker.write_text(text.replace(PLACE, filled), "utf-8")


def _kept(path, site):
    """Lists of models among them, which say what there is."""
    name = path.relative_to(site).as_posix()
    if name.startswith("models/"):
        return name == "models/index.json"
    return name != WORKER and path.suffix != ".wasm"
