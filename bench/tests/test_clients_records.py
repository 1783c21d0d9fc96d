"""What bench/clients.json holds, as it is committed, and docs/clients.md says."""

from pathlib import Path

from bench import clients
from bench.records import read


def test_the_page_is_of_the_records():
    records = read(clients.RECORDS)
    assert clients.RECORDS.with_suffix(".md").read_text("utf-8") == clients.markdown(records)


def test_the_docs_name_the_versions_and_what_they_give():
    docs, found = Path("docs/clients.md").read_text("utf-8"), {}
    for one in read(clients.RECORDS):
        found[one["client"]] = one
        name, version = one["packages"].split(",")[0].split("==")
        assert f"| {name} {version.removesuffix('.0') if name[0] == 's' else version}" in docs
    assert found["fastembed"]["texts"] == found["optimum"]["texts"] == 1
    assert found["optimum"]["even margins"] == 1
    assert f"{found['optimum']['odd margins']:.3f}"[1:] in docs
    assert found["sentence_transformers"]["said"]
