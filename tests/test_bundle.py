import json

import numpy as np
import pytest
from tokenizers import Tokenizer

from stages import command, verify

import small

ENCODINGS = {"": "fp32", "_fp16": "fp16", "_quantized": "int8w", "_int8": "int8-dynamic"}


@pytest.fixture(scope="module")
def bundle(built):
    """The bundle of the small ViT, with a floor for one of its files."""
    content = small.params({})
    content["models"] = {"vit": {"source": "x"}}
    content["grid"]["models"] = ["vit"]
    floor = {"cosine_min": 0.9999, "snr_db": 40.0}
    content["floors"] = {"vit": {"visual": {"fp32": floor}, "textual": {"fp32": floor}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built)
        small.write_params(built, content)
        paths = ("models/vit", "reference/vit", "checkpoints/vit", "evalset", "bundles/vit")
        small.run_stage("bundle", *(f"data/{path}" for path in paths))
    return built / "data/bundles/vit"


def test_layout_is_hugging_faces(bundle):
    names = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    models = {
        f"onnx/{tower}_model{suffix}.onnx"
        for tower in ("vision", "text")
        for suffix in (*ENCODINGS, "_fp16w")
    }
    assert names == models | {
        "config.json",
        "golden.json",
        "merges.txt",
        "preprocessor_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
    }
    config = json.loads((bundle / "config.json").read_text())
    assert config["model_type"] == "clip"
    assert config["vision_config"]["image_size"] == 64
    assert config["text_config"]["eos_token_id"] == 49407


def test_suffixes_hold_the_encodings_that_the_table_says(bundle, built):
    for suffix, encoding in ENCODINGS.items():
        shipped = (bundle / f"onnx/vision_model{suffix}.onnx").read_bytes()
        assert shipped == (built / f"data/models/vit/visual/{encoding}/model.onnx").read_bytes()


def test_tokenizer_files_agree(bundle):
    vocabulary = json.loads((bundle / "vocab.json").read_text())
    assert vocabulary == Tokenizer.from_file(str(bundle / "tokenizer.json")).get_vocab()


def test_golden_json_holds_a_truncated_caption_and_the_floor(bundle):
    golden = json.loads((bundle / "golden.json").read_text())
    lengths = [len(text["input_ids"]) for text in golden["texts"]]
    assert max(lengths) == 77
    assert min(lengths) < 20
    assert golden["files"]["onnx/vision_model.onnx"] == {
        "key": "vit.visual.fp32",
        "graph": "visual",
        "cosine_min": 0.9999,
    }
    assert golden["files"]["onnx/vision_model_int8.onnx"]["cosine_min"] is None


def test_verify_passes_every_file(bundle):
    results = {name: (cosine, floor) for name, cosine, floor in verify.check(bundle)}
    assert len(results) == 10
    assert results["onnx/text_model.onnx"][0] > 0.999999
    assert all(cosine > 0.9 for cosine, _ in results.values())


def change_golden(bundle, monkeypatch, tmp_path, change):
    """A copy of the bundle whose golden.json `change` has edited, as verify's argument."""
    golden = json.loads((bundle / "golden.json").read_text())
    change(golden)
    for path in bundle.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "golden.json").unlink()
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    monkeypatch.setattr("sys.argv", ["verify", str(tmp_path)])


def test_verify_fails_on_a_file_below_its_floor(bundle, monkeypatch, tmp_path):
    def change(golden):
        embeds = golden["picture"]["image_embeds"]
        golden["picture"]["image_embeds"] = np.roll(embeds, 1).tolist()

    change_golden(bundle, monkeypatch, tmp_path, change)
    with pytest.raises(command.Refusal, match=r"below their floors: onnx/vision_model\.onnx"):
        verify.main()


def test_verify_fails_on_other_tokens(bundle, monkeypatch, tmp_path):
    change_golden(
        bundle, monkeypatch, tmp_path, lambda golden: golden["texts"][0]["input_ids"].pop(1)
    )
    with pytest.raises(command.Refusal, match=r"tokenizer\.json gives"):
        verify.main()


def test_verify_names_a_folder_that_is_no_bundle(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["verify", str(tmp_path)])
    with pytest.raises(command.Refusal, match="no golden.json"):
        verify.main()
