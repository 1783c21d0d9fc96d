"""Build the site: a folder of static files for any web server.

    python -m web.build build/web --bundles data/bundles --metrics metrics
    python -m web.build build/web --serve 8000

Pages come from web/site, the libraries from web/node_modules, models from the bundles.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

from clip_onnx import command
from clip_onnx.settings import params
from runtimes import browser
from web import bundles, figures, gallery, index, parts, report, samples, shell

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
ORT, TOKENIZERS = "onnxruntime-web/dist", "@huggingface/tokenizers"
# The `bundle` builds carry their glue, so only the .wasm is fetched beside them. As .js, because
# plain servers do not know .mjs for a script.
VENDOR = {
    "ort.wasm.js": f"{ORT}/ort.wasm.bundle.min.mjs",
    "ort-wasm-simd-threaded.wasm": f"{ORT}/ort-wasm-simd-threaded.wasm",
    "ort.webgpu.js": f"{ORT}/ort.webgpu.bundle.min.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm": f"{ORT}/ort-wasm-simd-threaded.asyncify.wasm",
    "tokenizers.js": f"{TOKENIZERS}/dist/tokenizers.min.mjs",
    "tokenizers-LICENSE": f"{TOKENIZERS}/LICENSE",
    "idb-keyval.js": "idb-keyval/dist/index.js",
    "client-zip.js": "client-zip/index.js",
    "client-zip-LICENSE.txt": "client-zip/LICENSE.txt",
    "idb-keyval-LICENCE": "idb-keyval/LICENCE",
}


def copy_libraries(target):
    """Copy the libraries, and list with their digests what pages check before they use it."""
    target.mkdir()
    for name, source in VENDOR.items():
        if not (MODULES / source).is_file():
            raise command.Refusal(
                f"web/node_modules/{source} is missing: npm ci --ignore-scripts --prefix web"
            )
        shutil.copyfile(MODULES / source, target / name)
    checked = [bundles.described(target, name) for name in VENDOR if name.endswith(".wasm")]
    listed = [file | {"path": Path(file["path"]).name} for file in checked]
    write_json(target / "index.json", listed)


def copy_models(folder, content, target):
    """Copy what index.json lists. No links: an edit of the site must not reach a bundle."""
    for model in content["models"]:
        files = [*model["tokenizer"], *model["files"]]
        files += [file["data"] for file in model["files"] if "data" in file]
        for path in (file["path"] for file in files):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            bundle, name = path.split("/", 1)
            shutil.copyfile(bundles.present(folder / bundle, name), target / path)


def refuse_to_replace(output):
    """Raise Refusal if `output` is there and holds anything but an earlier build of the site."""
    if output.is_dir():
        foreign = any(output.iterdir()) and not (output / "models/index.json").is_file()
    else:
        foreign = output.exists()
    if foreign:
        raise command.Refusal(
            f"{output} holds something else, which would be lost: name a new folder"
        )


def no_number(text):
    raise ValueError(f"{text} is no number of JSON")


def read_metrics(path, remedy):
    """What a file of metrics/ holds, {} where it is not there. Raises Refusal if it is broken."""
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8"), parse_constant=no_number))
    except (ValueError, TypeError) as error:
        raise command.Refusal(
            f"{path} cannot be read ({command.first_line(error)}): build it with `{remedy}`"
        ) from None


def write_json(path, content):
    path.write_text(json.dumps(content, indent=1, allow_nan=False), "utf-8")


def configure(path, source):
    """Put where the project's source lies into config.json."""
    write_json(path, json.loads(path.read_text("utf-8")) | {"source": source})


def build(output, folder, metrics, source=None):
    """Write the site to `output`, of the bundles in `folder` and the figures in `metrics`.

    source: address of the project's source, which the front page then leads to.
    Raises Refusal where a library or a bundle's file is missing or broken, and where `output` is
    something else than an earlier build.
    """
    refuse_to_replace(output)
    listed = params.load()
    measured = figures.Figures(
        read_metrics(metrics / "parity.json", "dvc repro report"),
        read_metrics(metrics / "runtimes.json", "make runtimes"),
        listed,
    )
    order = [*listed.grid.models, *listed.models]
    content = index.build(folder, measured, set(listed.encodings), order)
    with command.output(output) as partial:
        shutil.copytree(HERE / "site", partial, dirs_exist_ok=True)
        copy_libraries(partial / "vendor")
        samples.draw(partial / "samples")
        (partial / "models").mkdir()
        copy_models(folder, content, partial / "models")
        write_json(partial / "models/index.json", content)
        gallery.write(partial / "gallery", folder, content)
        report.write(partial / "report.html", content)
        if source:
            configure(partial / "config.json", source)
        parts.fill(partial)
        shell.name_files(partial)
    return content


def web_address(text):
    if not text.startswith(("https://", "http://")):
        raise argparse.ArgumentTypeError(f"{text} is no address: begin it with https://")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--bundles", type=Path, default=Path("data/bundles"))
    parser.add_argument("--metrics", type=Path, default=Path("metrics"))
    parser.add_argument("--source", type=web_address, help="where the project's source lies")
    parser.add_argument("--serve", type=int, metavar="PORT", help="serve it on 127.0.0.1; 0: any")
    arguments = parser.parse_args()
    content = build(arguments.output, arguments.bundles, arguments.metrics, arguments.source)
    names = ", ".join(model["name"] for model in content["models"])
    print(f"{arguments.output}: {names or 'no model; build one with make'}")
    for model in content["models"]:
        if not model["files"]:
            print(f"{model['name']}: none of its files is in an encoding that params.yaml has")
    for bundle in bundles.found(arguments.bundles):
        if not bundles.whole(bundle):
            print(f"left out, for pages compare pictures with texts and it has one tower: {bundle}")
    if arguments.serve is not None:
        serve(arguments.output, arguments.serve)


def serve(folder, port):
    """Serve the site with the headers that threads need, until interrupted."""
    try:
        with browser.serving({"/": folder}, isolated=True, port=port) as address:
            print(f"{address}/ (Ctrl-C ends it)", flush=True)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        print()
    except OSError as error:
        raise command.Refusal(f"port {port}: {error.strerror}; make web PORT=8001") from error
    except OverflowError as error:
        raise command.Refusal(f"port {port}: ports end at 65535; make web PORT=8001") from error


if __name__ == "__main__":
    command.run(main)
