"""What was measured of the site's files, as a page of it: report.html, which needs no script.

Every file has a row whose id is its key, so that a page can lead to it.
"""

import html
from pathlib import Path

TEMPLATE = Path(__file__).with_suffix(".html")
RUNTIMES = {"wasm": "WebAssembly", "webgpu": "WebGPU"}
HEAD = ("file", "MB", "ONNX Runtime", *RUNTIMES.values(), "SHA-256")


def write(path, content):
    """Write the page of index.json's `content` to `path`."""
    sections = "".join(_section(model) for model in content["models"])
    template = TEMPLATE.read_text("utf-8")
    path.write_text(template.replace("<!-- models -->", sections), "utf-8")


def _section(model):
    name = html.escape(model["name"])
    head = "".join(f'<th scope="col">{title}</th>' for title in HEAD)
    rows = "".join(_row(model["name"], file) for file in model["files"])
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{name}</h2>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Files of {name}">'
        f'<table class="files"><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'
        "</section>\n"
    )


def _row(model, file):
    key = f"{model}.{file.get('name', file['graph'])}.{file['variant']}"
    size = file["bytes"] + file.get("data", {}).get("bytes", 0)
    path = html.escape(file["path"])
    link = f'<a href="models/{path}">{Path(path).name}</a>'
    cells = [f"{size / 1e6:.2f}", _native(file["parity"])]
    cells += [_in(runtime, file) for runtime in RUNTIMES]
    cells.append(f'<code title="{file["sha256"]}">{file["sha256"][:12]}</code>')
    shown = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr id="{html.escape(key)}"><th scope="row">{link}</th>{shown}</tr>\n'


def _native(parity):
    return _figure(parity["cosine_min"], parity["inputs"]) if parity else "–"


def _in(runtime, file):
    if runtime in file["withheld"]:
        return f"<p>not offered: {html.escape(file['withheld'][runtime])}</p>"
    found = file["runtimes"].get(runtime)
    return _figure(found["cosine"], found["inputs"]) if found else "–"


def _figure(cosine, inputs):
    return f"{cosine:.7f} <small>of {inputs}</small>"
