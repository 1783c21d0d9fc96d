"""runtimes/c/golden.c on the bundles of this project, as `make` builds them."""

import json
import subprocess
from pathlib import Path

import pytest

from runtimes import c_api
from stages import command, params

import small

REASON = c_api.missing()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return c_api.compiled(tmp_path_factory.mktemp("program"))


@pytest.fixture(params=small.TINY)
def bundle(request):
    return Path("data/bundles") / request.param


@pytest.fixture
def golden(bundle):
    return json.loads((bundle / "golden.json").read_text())


@pytest.fixture
def picture(golden, tmp_path):
    c_api.decoded(golden, tmp_path / "picture.ppm")
    return tmp_path / "picture.ppm"


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True)


def test_every_encoding_holds_its_floor(program, bundle, golden, picture):
    files = c_api.files(golden, params.load().grid.profiles)
    assert {graph for graph, _ in files.values()} == {"visual", "textual", "image"}
    paths = [bundle / name for name in files]
    done = run(program, bundle / "golden.json", picture, *paths)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(files)
    assert all(line.endswith(" ok") for line in lines)


def wrong_texts(golden):
    """Each caption with the embedding of another one."""
    texts = golden["texts"]
    for text, other in zip(texts, [t["text_embeds"] for t in texts[1:] + texts[:1]], strict=True):
        text["text_embeds"] = other


def wrong_picture(golden):
    golden["picture"]["image_embeds"] = golden["texts"][0]["text_embeds"]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("text_model_int4w.onnx", wrong_texts),
        ("vision_model_int4w.onnx", wrong_picture),
        ("image.onnx", wrong_picture),
    ],
)
def test_a_wrong_embedding_fails(program, bundle, golden, picture, tmp_path, name, spoil):
    spoil(golden)
    (tmp_path / "golden.json").write_text(json.dumps(golden, indent=1))
    done = run(program, tmp_path / "golden.json", picture, bundle / "onnx" / name)
    assert done.returncode == 1
    assert done.stdout.endswith("below its floor\n")
    assert not done.stderr


def test_an_embedding_of_another_length_is_another_models(
    program, bundle, golden, picture, tmp_path
):
    golden["picture"]["image_embeds"].pop()
    (tmp_path / "golden.json").write_text(json.dumps(golden, indent=1))
    done = run(program, tmp_path / "golden.json", picture, bundle / "onnx/image.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: golden.json: is of another model\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("classifier.onnx", "neither a tower nor an image product"),
        ("preprocess.onnx", "neither a tower nor an image product"),
        ("missing.onnx", "golden.json does not list it"),
        ("text_model_npu.onnx", "input_ids|Unexpected input data type|Missing Input"),
    ],
)
def test_what_it_cannot_check_is_refused(program, bundle, picture, name, said):
    file = bundle / "onnx" / name
    with pytest.raises(command.Refusal, match=said) as refusal:
        c_api.cosine(program, bundle / "golden.json", picture, file)
    assert "\n" not in str(refusal.value)


def test_missing_compiler_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(c_api.shutil, "which", lambda _: None)
    with pytest.raises(command.Refusal, match="apt-get install gcc"):
        c_api.compiled(tmp_path)
