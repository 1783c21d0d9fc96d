"""A folder that is being embedded: who waits for whom, what is said, and what stays in memory."""

import pytest
from pages import HELD, open_folder, wait_for_status, wait_for_title
from playwright.sync_api import expect

ORDER = """(of) => {
    globalThis.order = [];
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message) {
        this.addEventListener("message", ({ data }) => {
            if (data.id === message.id && of.includes(message.task)) order.push(message.task);
        });
        post.call(this, message);
    };
}"""  # the tasks that the worker has answered, in its order
SHOWN = (
    """() => [...document.querySelectorAll("#results canvas")].map((canvas) => canvas.width > 0)"""
)


def test_query_waits_for_a_picture_at_most(visit, pictures):
    page = visit("index.html", variant="int8w")
    page.get_by_role("button", name="a small blue star").wait_for()
    open_folder(page, pictures)
    wait_for_status(page, "of 301")
    page.evaluate(ORDER, ["indexed", "texts"])
    page.evaluate("""() => {
        globalThis.asked = order.length;
        query.value = "a text that did not come with the page";
        form.requestSubmit();
    }""")
    wait_for_title(page, "“a text that did not come with the page”")
    order = page.evaluate("order.slice(asked)")
    # One is in the model, one is being decoded; a third may come before the text is heard of.
    assert order.index("texts") <= 3
    assert page.text_content("#folder-status").startswith("indexing: ")


def test_every_picture_is_counted_and_the_time_left_is_said(visit, pictures):
    page = visit("index.html", variant="int8w")
    page.evaluate("""() => {
        globalThis.said = { "folder-status": [], "folder-spoken": [] };
        for (const id in said) {
            new MutationObserver(() => said[id].push(document.getElementById(id).textContent))
                .observe(document.getElementById(id), { childList: true });
        }
    }""")
    open_folder(page, pictures)
    wait_for_status(page, "300 of 301 pictures indexed")
    said = page.evaluate("said")
    counts = [int(text.split()[1]) for text in said["folder-status"] if text.startswith("indexing")]
    assert sorted({*counts}) == list(range(302))
    assert any("left" in text for text in said["folder-status"])
    page.locator("#folder-spoken", has_text="300 of 301 pictures indexed").wait_for()
    assert len(said["folder-spoken"]) < len(said["folder-status"]) / 5


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([(0, 0), (1, 9000), (2, 9100), (3, 9200)], ""),  # too few to tell from
        ([(0, 0), (1, 9000), (2, 9100), (3, 9200), (4, 9300)], "about 10 s left"),
        ([(40, 0), (41, 0), (44, 30_000)], "about 9 min left"),
        ([(0, 0), (1, 0), (51, 9_000_000)], "about 2 h left"),
        ([(0, 0), (1, 0), (100, 9000)], ""),
    ],
)
def test_time_that_is_left(visit, counts, words):
    found = visit("text.html").evaluate(
        """async (counts) => {
            const { Pace } = await import(new URL("js/pace.js", document.baseURI));
            const pace = new Pace();
            return counts.map(([done, now]) => pace.left(done, 100, now)).at(-1);
        }""",
        counts,
    )
    assert found == words


def test_thumbnails_out_of_view_are_given_back(visit, pictures):
    page = visit("index.html", variant="int8w")
    open_folder(page, pictures)
    page.get_by_label("A text").fill("a star")
    page.get_by_role("button", name="Search", exact=True).click()
    wait_for_status(page, "300 of 301 pictures indexed")
    for count in (48, 96, 192, 300):
        page.get_by_role("button", name="Show more").click()
        expect(page.locator("#results li")).to_have_count(count)
    page.locator("#results li").first.scroll_into_view_if_needed()
    page.wait_for_function(f"({SHOWN})()[0]")
    page.locator("#results li").last.scroll_into_view_if_needed()
    page.wait_for_function(f"({SHOWN})().at(-1) && !({SHOWN})()[0]")
    assert sum(page.evaluate(SHOWN)) < 150
    page.locator("#results li").first.scroll_into_view_if_needed()
    page.wait_for_function(f"({SHOWN})()[0] && !({SHOWN})().at(-1)")


def test_what_comes_late_is_stored_as_what_it_is(visit):
    """Embeddings of a run that was replaced keep its own key and their own numbers."""
    page = visit("index.html")
    kept = page.evaluate("""async () => {
        const from = (name) => import(new URL(`js/${name}.js`, document.baseURI));
        const [{ Folder }, store] = [await from("folder"), await from("store")];
        const image = { type: "image/png" };
        const files = ["a", "b", "c"].map((name) => new File(["x"], `${name}.png`, image));
        const folder = new Folder(files), run = {};
        let asked = 0;
        const engine = { request: async () => {
            asked += 1;
            if (asked === 3) {  // meanwhile another model is chosen, which knows them all
                run.ended = run.replaced = true;
                folder.forgetModel();
                for (const file of files) folder.vectors.set(file, new Float32Array([0, 1]));
            }
            return { embeds: new Float32Array([1, 0]) };
        } };
        await folder.index(engine, "first", false, run, () => {});
        const keys = files.map((file) => store.key(file, "first", false));
        const found = await store.get(keys);
        return keys.map((key) => found.get(key) && [...found.get(key)]);
    }""")
    assert kept == [[1, 0], [1, 0], None]


def test_cancel_ends_with_the_pictures_under_way(visit, pictures):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, "“a large red circle”")  # then nothing starts anew
    page.evaluate(HELD, "indexed")
    open_folder(page, pictures)
    page.wait_for_function("held.length === 2")
    page.get_by_role("button", name="Cancel").click()
    page.evaluate("flow()")
    wait_for_status(page, ", 299 to go")
