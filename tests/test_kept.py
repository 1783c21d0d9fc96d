import pytest

from bench import records
from clip_onnx import command
from tools import kept

READERS = {".csv": kept.csv_of, ".json": kept.json_of, ".md": kept.text_of}


@pytest.mark.parametrize("suffix", READERS)
def test_a_file_that_a_merge_has_torn_is_named(tmp_path, suffix):
    path = tmp_path / f"parity{suffix}"
    path.write_text("<<<<<<< HEAD\na,b\n1,2,3\n", "utf-8")
    with pytest.raises(command.Refusal, match=f"parity{suffix} is torn: check it out of git"):
        READERS[suffix](path)


@pytest.mark.parametrize("suffix", READERS)
def test_a_file_that_is_missing_is_named(tmp_path, suffix):
    with pytest.raises(command.Refusal, match="is missing: run `make`"):
        READERS[suffix](tmp_path / f"parity{suffix}")


def test_whole_files_are_read(tmp_path):
    texts = {".csv": "a,b\n1,2\n", ".json": '{"a": 1}', ".md": "| a |\n|---|\n"}
    paths = {suffix: tmp_path / f"parity{suffix}" for suffix in texts}
    for suffix, path in paths.items():
        path.write_text(texts[suffix], "utf-8")
    assert kept.csv_of(paths[".csv"]).to_dict("list") == {"a": [1], "b": [2]}
    assert kept.json_of(paths[".json"]) == {"a": 1}
    assert kept.text_of(paths[".md"]) == texts[".md"]


def test_records_of_a_benchmark_may_be_missing_but_not_torn(tmp_path):
    assert records.read(tmp_path / "none.json") == []
    (tmp_path / "torn.json").write_text("[\n=======\n]", "utf-8")
    with pytest.raises(command.Refusal, match="torn.json is torn"):
        records.read(tmp_path / "torn.json")
