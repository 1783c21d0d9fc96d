"""runtimes/c/golden.c on the bundles of this project, as `make` builds them."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from clip_onnx import command
from clip_onnx.settings import params
from runtimes import c_api

import small

REASON = c_api.missing()
pytestmark = [
    pytest.mark.runtimes,
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return c_api.compiled(tmp_path_factory.mktemp("program"))


@pytest.fixture(params=small.TINY)
def bundle(request):
    return Path("data/bundles") / request.param


@pytest.fixture
def golden(bundle):
    return json.loads((bundle / "golden.json").read_text("utf-8"))


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


def test_what_is_measured_is_every_such_file_by_graph_and_variant(bundle, golden):
    measured = c_api.measure(bundle.name)["c-api"]
    expected = set(c_api.files(golden, params.load().grid.profiles).values())
    assert {(graph, variant) for graph, of in measured.items() for variant in of} == expected
    assert all(one["cosine"] > 0.9 for of in measured.values() for one in of.values())


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
    (tmp_path / "golden.json").write_text(json.dumps(golden, indent=1), "utf-8")
    done = run(program, tmp_path / "golden.json", picture, bundle / "onnx" / name)
    assert done.returncode == 1
    assert done.stdout.endswith("below its floor\n")
    assert not done.stderr


def test_an_embedding_of_another_length_is_another_models(
    program, bundle, golden, picture, tmp_path
):
    golden["picture"]["image_embeds"].pop()
    (tmp_path / "golden.json").write_text(json.dumps(golden, indent=1), "utf-8")
    done = run(program, tmp_path / "golden.json", picture, bundle / "onnx/image.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: golden.json: is of another model\n"


def first_text(value):
    def spoil(golden):
        embeds = golden["texts"][0]["text_embeds"]
        golden["texts"][0]["text_embeds"] = [value] * len(embeds)

    return spoil


def no_floor(name):
    def spoil(golden):
        golden["files"][name]["cosine_min"] = None

    return spoil


@pytest.fixture
def check(program, bundle, picture, golden, tmp_path):
    """check(name, *spoil): the program, run on a file of a bundle whose golden.json is spoilt."""

    def run_spoilt(name, *spoil):
        for change in spoil:
            change(golden)
        (tmp_path / "golden.json").write_text(json.dumps(golden, indent=1), "utf-8")
        return run(program, tmp_path / "golden.json", picture, bundle / name)

    return run_spoilt


TEXT = "onnx/text_model_int4w.onnx"


@pytest.mark.parametrize("value", [0.0, float("nan")])
@pytest.mark.parametrize("floors", [[], [no_floor(TEXT)]])
def test_one_cosine_that_is_no_number_fails(check, value, floors):
    done = check(TEXT, first_text(value), *floors)
    assert done.returncode == 1
    assert done.stdout.endswith("is no number\n")


@pytest.mark.parametrize("changes", [(), (wrong_texts,)])
def test_a_file_without_a_floor_is_not_held(check, changes):
    done = check(TEXT, *changes, no_floor(TEXT))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith(" no floor\n")


def test_a_cosine_of_no_floor_is_read(program, bundle, picture, golden, tmp_path):
    no_floor(TEXT)(golden)
    (tmp_path / "golden.json").write_text(json.dumps(golden, indent=1), "utf-8")
    assert c_api.cosine(program, tmp_path / "golden.json", picture, bundle / TEXT) > 0.99


def test_zeros_are_a_reason(program, bundle, picture, golden, tmp_path):
    first_text(0.0)(golden)
    (tmp_path / "golden.json").write_text(json.dumps(golden, indent=1), "utf-8")
    with pytest.raises(command.Refusal, match="zeros or no numbers"):
        c_api.cosine(program, tmp_path / "golden.json", picture, bundle / TEXT)


def test_no_captions_are_refused(check):
    done = check(TEXT, lambda golden: golden.update(texts=[]))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: golden.json: has no captions\n"


@pytest.mark.parametrize("graph", [TEXT, "onnx/image.onnx"])
@pytest.mark.parametrize("keep", ['"graph"', '"graph":', '"cosine_min":', '"cosine_min": '])
def test_a_golden_json_cut_in_an_entry_is_refused(guarded, bundle, picture, tmp_path, graph, keep):
    whole = (bundle / "golden.json").read_text("utf-8")
    entry = whole.index(f'"{graph}"')
    (tmp_path / "golden.json").write_text(whole[: whole.index(keep, entry) + len(keep)], "utf-8")
    done = run(guarded, tmp_path / "golden.json", picture, bundle / graph)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch("error: .*(cut short|neither a tower).*\n", done.stderr)


def test_a_golden_json_cut_in_an_embedding_is_refused(guarded, bundle, picture, tmp_path):
    whole = (bundle / "golden.json").read_text("utf-8")
    (tmp_path / "golden.json").write_text(whole[:-60], "utf-8")
    done = run(guarded, tmp_path / "golden.json", picture, bundle / "onnx/image.onnx")
    assert done.stderr == "error: golden.json: is cut short\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """The program with a guard that stops it when it reads beyond what it has."""
    return c_api.compiled(tmp_path_factory.mktemp("guarded"), "-fsanitize=address,undefined")


@pytest.mark.parametrize(
    ("header", "levels", "said"),
    [
        ("P6\n8 8\n255\n", 8 * 8 * 3 - 1, "is cut short"),
        ("P6\n99999 99999\n255\n", 12, "is cut short"),
        ("P6\n8 8\n255", 0, "is cut short"),
        ("P6\n-8 -8\n255\n", 8 * 8 * 3, "is no binary PPM picture"),
        ("P6\n0 8\n255\n", 0, "is no binary PPM picture"),
        ("P6\n8 8\n65535\n", 8 * 8 * 3, "is no binary PPM picture"),
        ("P3\n8 8\n255\n", 8 * 8 * 3, "is no binary PPM picture"),
        ("", 0, "is no binary PPM picture"),
    ],
)
def test_a_picture_that_is_not_whole_is_refused(guarded, bundle, tmp_path, header, levels, said):
    (tmp_path / "cut.ppm").write_bytes(header.encode() + bytes(levels))
    done = run(guarded, bundle / "golden.json", tmp_path / "cut.ppm", bundle / "onnx/image.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {tmp_path}/cut.ppm: {said}\n"


def test_a_header_of_ones_own_comes_first(tmp_path):
    (tmp_path / "onnxruntime_c_api.h").write_text("#error this is ONNX Runtime's own\n", "utf-8")
    done = run("cc", "-fsyntax-only", c_api.SOURCE / "golden.c", "-I", tmp_path)
    assert "this is ONNX Runtime's own" in done.stderr


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
