"""Pictures of every page as visitors see them: in light and dark, on a desk and on a phone.

    python -m web.screenshots build/screenshots [--site build/web]

Each page is shown in the state that one comes for: results on the front page, a picture recognised,
texts embedded, the figures. Files are PAGE.SCHEME.SIZE.png.
"""

import argparse
from pathlib import Path

from clip_onnx import command
from runtimes import browser

SCHEMES = ("light", "dark")
SIZES = {"desk": (1280, 800), "phone": (390, 844)}  # CSS pixels
EVERY_PICTURE = """async () => {
    const pictures = [...document.images].filter((picture) => picture.loading === "lazy");
    for (const picture of pictures) picture.loading = "eager";
    await Promise.all(pictures.map((picture) => picture.decode()));
}"""  # also those that come only when one scrolls to them
WAIT = 60_000  # ms, for a model to come and to run


def searched(page):
    page.get_by_text(": the closest of").wait_for()


def recognised(page):
    page.locator("#samples button").first.click()
    page.locator(".card .bars").first.wait_for()


def embedded(page):
    page.get_by_role("button", name="Embed").click()
    page.locator(".card").first.wait_for()


def listed(page):
    page.locator("table").first.wait_for()


PAGES = {"index": searched, "image": recognised, "text": embedded, "report": listed}


def take(window, address, folder):
    """Write a picture of each page of a site, in each scheme and size. Yields their paths.

    Raises Refusal naming the page that does not come to its state.
    """
    from playwright.sync_api import Error  # a core environment has no Playwright

    for scheme in SCHEMES:
        for size, (width, height) in SIZES.items():
            viewport = {"width": width, "height": height}
            context = window.new_context(color_scheme=scheme, viewport=viewport)
            context.set_default_timeout(WAIT)
            for name, ready in PAGES.items():
                page, path = context.new_page(), folder / f"{name}.{scheme}.{size}.png"
                try:
                    page.goto(f"{address}/{name}.html")
                    ready(page)
                    page.evaluate(EVERY_PICTURE)
                    page.screenshot(path=path, full_page=True, animations="disabled")
                except Error as error:
                    reason = command.first_line(error)
                    raise command.Refusal(f"{address}/{name}.html: {reason}") from None
                page.close()
                yield path
            context.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--site", type=Path, default=Path("build/web"))
    arguments = parser.parse_args()
    if not (arguments.site / "models/index.json").is_file():
        raise command.Refusal(f"{arguments.site} is no built site: make web")
    with (
        command.output(arguments.output) as folder,
        browser.serving({"/": arguments.site}) as address,
        browser.chromium() as window,
    ):
        for path in take(window, address, folder):
            print(arguments.output / path.name)


if __name__ == "__main__":
    command.run(main)
