"""What bench/old_runtimes.json holds, as it is committed."""

import pytest

from bench import old_runtimes, records
from clip_onnx import graphs
from clip_onnx.settings import params
from tools import page

RECORDS = {record["file"]: record for record in records.read(old_runtimes.RECORDS)}
each_file = pytest.mark.parametrize("file", RECORDS)


@pytest.mark.parametrize("model", old_runtimes.MODELS)
def test_every_file_of_the_bundle_was_measured(model):
    files = page.planned(model, params.load())
    expected = {file["key"] for file in files.values()}
    assert expected == {file for file in RECORDS if file.startswith(f"{model}.")}


# Of operators of ONNX Runtime's own: MatMulNBits of 8 bits, and attention, which 1.15 computes
# wrongly.
SINCE = {"int8r": "1.23.2", "int4r": "1.23.2", "fp16-gpu": "1.18.1"}


@each_file
def test_a_version_that_takes_a_file_computes_it_rightly(file):
    """Or fails at once: 1.22 takes products of 8 bits and has no kernel for them."""
    record = RECORDS[file]
    for version in old_runtimes.versions_of(record):
        assert isinstance(record[version], str) or old_runtimes.right(record, version), version


@each_file
def test_every_file_runs_from_the_version_that_the_docs_name(file):
    encoding = file.rpartition(".")[2]
    imports = {"": RECORDS[file]["opset"]} | ({graphs.CONTRIB: 1} if encoding in SINCE else {})
    assert old_runtimes.oldest(RECORDS[file]) == SINCE.get(encoding, old_runtimes.VERSIONS[0])
    assert RECORDS[file]["ir"] == graphs.ir_version(imports)
