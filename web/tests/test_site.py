"""What is published: docs, pages and report as one folder, on a plain server of static files."""

import os
import subprocess

import filelock
import pytest
from pages import BUNDLES, ROOT, wait_for_title
from playwright.sync_api import expect
from test_accessible import check

from runtimes import browser


@pytest.fixture(scope="module")
def published(site, tmp_path_factory, request):
    """The address of what `make site` builds, in a sub-path, without special headers."""
    environment = {**os.environ, "SOURCE": "https://example.org/clip-onnx"}
    made = tmp_path_factory.getbasetemp() / "site-made"
    if hasattr(request.config, "workerinput"):  # one of several, who all serve the same folder
        made = tmp_path_factory.getbasetemp().parent / made.name
    with filelock.FileLock(f"{made}.lock"):
        if not made.exists():
            subprocess.run(["make", "site"], cwd=ROOT, env=environment, check=True)
            made.touch()
    with browser.serving({"/clip-onnx/": ROOT / "build/site"}, isolated=False) as address:
        yield f"{address}/clip-onnx"


def test_from_the_docs_to_a_search_and_the_figures_of_its_files(visit, published):
    page = visit("index.html", variant="int8w", base=published)
    page.get_by_role("link", name="Try it in the browser").click()
    wait_for_title(page, "“a large red circle”: the closest of 300")
    page.get_by_label("A text").fill("something that no one has embedded yet")
    page.get_by_label("A text").press("Enter")
    wait_for_title(page, "“something that no one has embedded yet”")
    expect(page.locator("#results li")).to_have_count(24)
    source = page.get_by_role("link", name="The source")
    expect(source).to_have_attribute("href", "https://example.org/clip-onnx")
    page.get_by_role("link", name="What was measured").click()
    expect(page.get_by_role("heading", name="What was measured of each file")).to_be_visible()


def test_report_leads_to_files_that_are_there(visit, published):
    page = visit("files.html", base=published)
    page.get_by_role("link", name="What was measured").click()
    page.wait_for_selector("body[data-drawn]")
    check(page)
    page.get_by_text("Every file", exact=True).click()
    expect(page.locator("#results tr").nth(1)).to_be_visible()
    check(page)
    links = page.locator("#results a").evaluate_all("links => links.map((link) => link.href)")
    assert len(links) > 20
    for link in links:
        file = ROOT / "build/site" / link.removeprefix(f"{published}/")
        assert file.is_file(), link
        original = BUNDLES / file.relative_to(ROOT / "build/site/try/models")
        assert file.read_bytes() == original.read_bytes()
