"""What all pages have, from web/parts: written in where a page has a comment of the part's name."""

import re
from pathlib import Path

PARTS = Path(__file__).with_suffix("")
PLACE = re.compile(r" *<!-- (head|model|nav) -->\n")


def fill(site):
    """Write the parts into every page of a site, in which the page's own link is marked."""
    for page in site.glob("*.html"):
        own = f'href="{page.name}"'
        text = _filled(page.read_text("utf-8"))
        page.write_text(text.replace(own, f'{own} aria-current="page"', 1), "utf-8")


def _filled(text):
    """A part may have others in it."""
    while found := PLACE.search(text):
        part = (PARTS / f"{found[1]}.html").read_text("utf-8")
        text = text[: found.start()] + part + text[found.end() :]
    return text
