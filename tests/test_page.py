"""The report page: what it names is what pandas computes, and it asks nothing of the network."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from clip_onnx.names import PYTORCH
from clip_onnx.settings import params
from runtimes import browser
from tools import charts, kept, page

pytestmark = pytest.mark.runtimes

needs_browser = pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing()))
FLOORS = [-1, 0.99, 0.999, 0.9995, 0.99999, 1]


@pytest.fixture(scope="module")
def settings():
    return params.load()


@pytest.fixture(scope="module")
def table():
    return pd.read_csv("metrics/parity.csv")


@pytest.fixture(scope="module")
def written(tmp_path_factory, settings, table):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page.page(settings, page.links(table, settings, "..")), "utf-8")
    return path


def smallest(table, settings, floor):
    """{"model tower": the smallest file of an encoding whose worst cosine is at least `floor`}."""
    files = table[table["graph"].isin(["visual", "textual"])]
    files = files[files["variant"].isin(settings.encodings) & (files["cosine_min"] >= floor)]
    files = files.sort_values(["size_mb", "cosine_min"], ascending=[True, False])
    first = files.groupby(["model", "graph"])["file"].first()
    return {f"{model} {graph}": file for (model, graph), file in first.items()}


def test_frontier_leaves_out_what_another_file_beats(table):
    table = table.dropna(subset=["size_mb"])  # OpenAI's own code is no file
    kept = charts.frontier(table)
    for _, files in table.groupby(["model", "graph"]):
        for row in files.itertuples():
            no_larger = files[files["size_mb"] <= row.size_mb].drop(row.Index)
            as_small = no_larger[no_larger["cosine_min"] >= row.cosine_min]
            strictly = (as_small["size_mb"] < row.size_mb) | (
                as_small["cosine_min"] > row.cosine_min
            )
            assert (row.file in set(kept["file"])) == (not strictly.any()), row.file


def test_every_file_has_a_row_and_a_link(written, table):
    text = written.read_text("utf-8")
    for row in table.itertuples():
        address = f"../data/models/{row.model}/{row.graph}/{row.variant}/model.onnx"
        is_file = row.variant != PYTORCH
        assert (f'<a href="{address}">{row.file}</a>' in text) == is_file
        assert is_file or f"<td>{row.file}</td>" in text
    assert "&gt; 100" in text


@pytest.mark.skipif(not Path("data/bundles/tiny-vit").is_dir(), reason="make builds data/bundles")
def test_links_lead_to_files(written):
    links = re.findall(r'href="\.\./(data/[^"]+)"', written.read_text("utf-8"))
    assert {link for link in links if not Path(link).exists()} == set()
    assert any(link.startswith("data/bundles/") for link in links)


def test_a_broken_floor_is_shown_with_its_metric(settings):
    broken = settings.model_copy(deep=True)
    file = broken.floors["tiny-vit"]["visual"]
    file["int8w"] = file["int8w"].model_copy(update={"snr_db": 190.0})
    judged = page.judgements(broken)
    assert judged["tiny-vit.visual.int8w"][1] == "fails: snr_db"
    assert judged["tiny-vit.visual.fp32"][1] == "holds"


def test_a_published_answer_that_is_missed_is_named(settings, monkeypatch, tmp_path):
    answers = {"cat": {"agrees": False}, "dog": {"agrees": True}}
    (tmp_path / "parity.json").write_text(json.dumps({"vit": {"known_answers": answers}}), "utf-8")
    (tmp_path / "controls.json").write_text("{}", "utf-8")
    monkeypatch.setattr(kept, "METRICS", tmp_path)
    shown = page.known_answers(settings)
    assert "1 of 2" in shown
    assert "vit.known_answers.cat" in shown and "dog" not in shown


ENDS = ["</script>", "</SCRIPT >", "</ScRiPt/x", "<!--<script>", "<!-- results -->"]


@pytest.mark.parametrize("text", ENDS)
def test_no_name_ends_the_script_that_holds_it(text):
    written = page.literal({text: [text]})
    assert "<" not in written and json.loads(written) == {text: [text]}
    filled = page.fill(
        "<p><!-- results --></p>a b", {"a": written, "<!-- results -->": "b", "b": "c"}
    )
    assert filled == f"<p>b</p>{written} c"


def test_no_end_tag_of_any_case_ends_the_libraries():
    assert page.source("a = '</SCRIPT>' + '</b>' + '</script>'") == (
        "a = '<\\/SCRIPT>' + '</b>' + '<\\/script>'"
    )


def test_figures_that_are_no_numbers_are_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        page.literal([float("nan")])


@pytest.fixture(scope="module")
def opened(written):
    """(the page in an offline Chromium, the addresses that it asked for)."""
    with browser.chromium() as window, window.new_context(offline=True) as context:
        tab, asked = context.new_page(), []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: asked.append(f"error: {error}"))
        tab.goto(written.as_uri())
        tab.wait_for_selector("body[data-drawn]")
        for summary in tab.locator("summary").all():
            summary.click()
        yield tab, asked


def chosen(tab):
    """{"model tower": the file that the page names}, without those that have none."""
    found = {}
    for row in tab.locator("#choice tbody tr").all():
        model, visual, visual_mb, textual, textual_mb, together, _ = row.locator(
            "th, td"
        ).all_inner_texts()
        for tower, variant in (("visual", visual), ("textual", textual)):
            if variant != "none":
                found[f"{model} {tower}"] = f"{model}.{tower}.{variant}"
        if together:
            assert float(together) == pytest.approx(float(visual_mb) + float(textual_mb), abs=0.011)
    return found


@needs_browser
@pytest.mark.parametrize("floor", FLOORS)
def test_a_typed_floor_names_the_smallest_file_that_holds_it(opened, table, settings, floor):
    tab, _ = opened
    tab.fill("#floor", str(floor))
    assert chosen(tab) == smallest(table, settings, floor)


@needs_browser
def test_no_file_holds_more_than_one(opened):
    tab, _ = opened
    tab.fill("#floor", "1.1")
    assert chosen(tab) == {}


@needs_browser
def test_dragging_the_floor_changes_the_files(opened, table, settings):
    tab, _ = opened
    tab.fill("#floor", "0.9")
    before, box = chosen(tab), tab.locator("#digits").bounding_box()
    y = box["y"] + box["height"] / 2
    tab.mouse.move(box["x"] + 8, y)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.7, y, steps=5)
    tab.mouse.up()
    floor = float(tab.input_value("#floor"))
    assert floor > 0.999
    assert chosen(tab) == smallest(table, settings, floor) != before


@needs_browser
@pytest.mark.parametrize(
    ("heading", "column"), [("MB", "size_mb"), ("accuracy", "accuracy"), ("SNR, dB", "snr_db")]
)
def test_a_click_sorts_by_value_and_another_one_backwards(opened, table, heading, column):
    tab, _ = opened
    titles = tab.locator("#results th").all_inner_texts()
    place = [title.split(" ▲")[0] for title in titles].index(heading) + 1
    expected = table[column].dropna().sort_values().round(3).tolist()
    for right in (expected, expected[::-1]):
        tab.click(f"#results th:nth-child({place}) button")
        shown = tab.locator(f"#results td:nth-child({place})").all_inner_texts()
        assert [float(text.removeprefix("> ")) for text in shown if text] == right
        assert set(shown[len(right) :]) <= {""}


@needs_browser
def test_charts_are_drawn(opened):
    tab, _ = opened
    for name in ("size", "distribution", "widths"):
        assert tab.locator(f"#{name} canvas, #{name} svg").first.bounding_box()["height"] > 100


@needs_browser
def test_a_phone_does_not_scroll_sideways(opened):
    tab, _ = opened
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tab.set_viewport_size({"width": 1280, "height": 720})


@needs_browser
def test_no_request_leaves_the_page(opened, written):
    _, asked = opened
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [written.as_uri()]
