"""The page builder: whatever a text contains, it stays text; bars stay within their place."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from pyskopeo.cli.html_page import (
    TEXT_LIMIT,
    Column,
    Node,
    Part,
    badge,
    bar,
    bullets,
    code,
    details,
    element,
    facts,
    page,
    render,
    section,
    short_digest,
    table,
    unbroken,
)

HOSTILE = '</title></style><script>alert(1)</script><img src=x onerror="y">\'&amp;\x1b[31m\u202e\x00\ud800'
SHOWN = HOSTILE.replace("\x1b", " ").replace("\u202e\x00\ud800", " ")

PLACES: dict[str, Callable[[str], Node]] = {
    "text": lambda text: text,
    "code": code,
    "badge": badge,
    "unbroken": unbroken,
    "digest": short_digest,
    "facts": lambda text: facts([(text, text)]),
    "bullets": lambda text: bullets([[text, code(text)]]),
    "details": lambda text: details([text], text),
    "section": lambda text: section(text, text),
    "table": lambda text: table([Column(text), Column(text, "right")], [[text, code(text)]], text),
    "bar": lambda text: bar([Part(1, text)], 2),
    "attribute": lambda text: element("span", title=text),
}


class Reader(HTMLParser):
    """Collects what a browser would make of a page; fails for tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.values: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def close(self) -> None:
        super().close()
        assert not self._open


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_text_is_shown_as_it_is_and_makes_no_element(place: str) -> None:
    make = PLACES[place]
    found, harmless = (read(page("image", make(text))) for text in (HOSTILE, "plain"))
    assert found.tags == harmless.tags
    assert SHOWN.strip() in [text.strip() for text in (*found.texts, *found.values)]


def test_title_and_note_are_escaped() -> None:
    found = read(page(HOSTILE, note=HOSTILE))
    assert found.tags == read(page("a", note="b")).tags
    assert found.texts.count(SHOWN) == 3


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    html = page("image", table([Column("a")], [["b"]]))
    assert "default-src 'none'" in html
    assert not [word for word in ("<script", "http://", "https://", "url(", "@import") if word in html]


def test_a_long_text_is_cut() -> None:
    shown = render("x" * (TEXT_LIMIT + 1))
    assert len(shown) == TEXT_LIMIT
    assert shown.endswith("x...")


@pytest.mark.parametrize(
    ("amounts", "whole", "widths"),
    [
        ([1, 3], 8, ["12.500", "37.500"]),
        ([0, 4], 4, ["100.000"]),
        ([3, 3], 4, ["75.000", "25.000"]),  # never wider than its place
        ([1], 0, []),
        ([-1, 1], 2, ["50.000"]),
        ([2**63], 1, ["100.000"]),
    ],
)
def test_a_bar_shows_shares_of_a_whole(amounts: list[int], whole: int, widths: list[str]) -> None:
    found = read(render(bar([Part(amount, f"{amount} bytes", "bad") for amount in amounts], whole)))
    assert [value for value in found.values if value.startswith("width:")] == [f"width:{one}%" for one in widths]


def test_a_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="zip"):
        table([Column("a"), Column("b")], [["one"]])


def test_numbers_are_to_the_right() -> None:
    html = render(table([Column("name"), Column("size", "right")], [["layer", "5"]]))
    assert html.count('class="right"') == 2
