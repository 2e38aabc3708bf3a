"""A page as readers' tools see it."""

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"br", "meta", "link", "img", "rect", "image", "use", "input"}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.samples: list[str] = []
        self.feed(text)
        assert self.open == [], "every tag is closed"
        self.ids = [a["id"] for _, a in self.tags if a.get("id")]
        self.loaded = [a[key] for tag, a in self.tags if tag not in ("a", "use") for key in ("src", "href") if key in a]

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "a":
            self.links.append((dict(attributes)["href"], ""))
        if tag == "article":
            self.samples.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag
        if tag in ("td", "th") and "article" in self.open:
            self.samples[-1] += " "

    def handle_data(self, data):
        if "a" in self.open:
            self.links[-1] = (self.links[-1][0], self.links[-1][1] + data)
        if "article" in self.open:
            self.samples[-1] += data


def require_standalone(text: str, page: Page) -> None:
    """A page needs no other file, and its headings, images, tables and own links are as readers' tools want them."""
    assert all(source.startswith("data:") for source in page.loaded)
    assert not re.search(r"url\(|@import", text)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), "no level is left out"
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")
    assert all(a.get("aria-label") for tag, a in page.tags if tag == "svg")
    assert all(a.get("scope") in ("row", "col", "rowgroup") for tag, a in page.tags if tag == "th")
    assert len(set(page.ids)) == len(page.ids)
    assert {href[1:] for href, _ in page.links if href.startswith("#")} <= set(page.ids)
