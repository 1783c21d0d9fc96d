"""Which files of a folder are looked through, several folders, and those of an earlier visit."""

import shutil

import pytest
from pages import HELD, open_folder, wait_for_status, wait_for_title
from playwright.sync_api import expect

WITHOUT_HANDLES = "delete globalThis.showDirectoryPicker"
HOLIDAY = """async (pictures) => {
    const root = await navigator.storage.getDirectory();
    const holiday = await root.getDirectoryHandle("holiday", { create: true });
    const below = await holiday.getDirectoryHandle("beach", { create: true });
    for (const [place, numbers] of pictures.entries()) {
        const folder = place ? below : holiday;
        const file = await folder.getFileHandle(`${place}.png`, { create: true });
        const stream = await file.createWritable();
        await stream.write(new Uint8Array(numbers));
        await stream.close();
    }
}"""  # a folder of the page's own, which its browser hands out like any other
CHOSEN = """
    globalThis.showDirectoryPicker = async () =>
        (await navigator.storage.getDirectory()).getDirectoryHandle("holiday");
"""


@pytest.fixture
def front(visit):
    """front(script) -> the front page, in whose window the script ran first."""

    def opened(script):
        page = visit("index.html", variant="int8w")
        page.add_init_script(script)
        page.reload()
        wait_for_title(page, "“a large red circle”")
        return page

    return opened


def test_another_folder_is_added(front, pictures, few):
    page = front(WITHOUT_HANDLES)
    add = page.get_by_text("Add another")
    expect(add).to_be_hidden()
    expect(page.get_by_role("button", name="come back")).to_be_hidden()
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")
    for _ in range(2):  # a second time there is nothing new
        with page.expect_file_chooser() as chooser:
            add.click()
        chooser.value.set_files(pictures / "part1")
        wait_for_status(page, "153 of 153 pictures indexed")
    wait_for_title(page, "“a large red circle”: the closest of 153")
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")  # it takes the others' place


def test_folder_is_opened_again_at_the_next_visit(front, few):
    page = front(CHOSEN)
    page.evaluate(HOLIDAY, [[*path.read_bytes()] for path in sorted(few.iterdir())])
    again = page.get_by_role("button", name="again")
    expect(again).to_be_hidden()
    page.get_by_role("button", name="come back").click()
    wait_for_status(page, "3 of 3 pictures indexed")
    wait_for_title(page, "“a large red circle”: the closest of 3")
    assert {"holiday/0.png", "holiday/beach/1.png"} <= {
        *page.locator("#results li > span:not(.times)").all_inner_texts()
    }
    page.reload()
    expect(again).to_have_text("Open “holiday” again")
    again.click()
    wait_for_status(page, "3 of 3 pictures indexed, 3 of them remembered")
    expect(again).to_be_hidden()

    page.evaluate("confirm = (text) => { asked = text; return true; }")
    page.get_by_role("button", name="Forget").click()
    wait_for_status(page, "All embeddings are forgotten.")
    assert "and its folder" in page.evaluate("asked")
    page.reload()
    wait_for_title(page, "“a large red circle”")
    expect(again).to_be_hidden()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("throw new DOMException('not now', 'NotAllowedError')", "cannot be read: not now"),
        ("return { name: 'x', requestPermission: async () => 'denied' }", "not allowed to read x"),
        ("return { name: 'gone', values() { throw Error() } }", "gone could not be read"),
        ("throw new DOMException('', 'AbortError')", "No folder is open."),
    ],
)
def test_folder_that_cannot_be_read_is_said(front, script, said):
    page = front(f"globalThis.showDirectoryPicker = async () => {{ {script} }};")
    page.get_by_role("button", name="come back").click()
    wait_for_status(page, said)


def test_entries_that_cannot_be_read_are_left_out_and_counted(front, few):
    name = (few / "0.png").read_bytes()
    page = front(f"""
        const good = {{ kind: "file", name: "a.png", getFile: async () =>
            new File([new Uint8Array({[*name]})], "a.png", {{ type: "image/png" }}) }};
        const gone = {{ kind: "file", name: "b.png", getFile() {{ throw Error(); }} }};
        const shut = {{ kind: "directory", name: "c", values() {{ throw Error(); }} }};
        globalThis.showDirectoryPicker = async () => ({{
            name: "some", async *values() {{ yield* [good, gone, shut]; }},
        }});""")
    page.get_by_role("button", name="come back").click()
    wait_for_status(page, "1 of 1 pictures indexed, 2 could not be read.")


def test_a_cancelled_run_leaves_the_next_one_alone(front, pictures, few):
    page = front(WITHOUT_HANDLES)
    page.evaluate(HELD, "indexed")
    open_folder(page, pictures)
    page.wait_for_function("held.length === 2")
    page.get_by_role("button", name="Cancel").click()
    page.evaluate("globalThis.late = held.splice(0)")
    open_folder(page, few)
    page.wait_for_function("held.length === 2")
    page.get_by_label("A text").focus()
    page.evaluate("for (const send of late) send()")
    page.wait_for_function("answers === 2")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_label("A text")).to_be_focused()
    assert page.text_content("#folder-status") == "indexing: 0 of 3"
    page.evaluate("flow()")
    wait_for_status(page, "3 of 3 pictures indexed")


def test_what_is_no_picture_is_said(front, few):
    (few / "__MACOSX").mkdir()
    shutil.copyfile(few / "0.png", few / "__MACOSX/0.png")
    (few / "._1.png").write_bytes(b"\0\5\x16\7")
    (few / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", "utf-8")
    (few / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    page = front(WITHOUT_HANDLES)
    open_folder(page, few)
    assert "2 other files ignored" in wait_for_status(page, "3 of 5 pictures indexed")
    page.locator("#failed summary").click()
    page.get_by_text("few/drawing.svg: SVG has no pixels: export it as PNG").wait_for()
    page.get_by_text("few/phone.HEIC: HEIC, which this browser cannot read").wait_for()
