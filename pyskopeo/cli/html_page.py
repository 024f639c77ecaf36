"""One self-contained HTML page: tables, bars and sections, without scripts and without a network.

A page is built of `Element`s. Whatever is text in it is escaped when the page is rendered, so names, labels and history
lines of images can be given as they are: control characters and characters that change the direction of writing
become spaces, and texts of more than `TEXT_LIMIT` characters are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Literal, TypeAlias

from ..fast_dataclass import dataclass
from ..http.printable import without_controls

TEXT_LIMIT = 4000
"""The number of characters of one text that a page shows."""

Align: TypeAlias = Literal["left", "right"]
Tone: TypeAlias = Literal["plain", "good", "warn", "bad"]
"""What the colour of a badge or a bar says; ``plain`` says nothing."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # even a page that was tampered with loads nothing
_STYLE = """
:root { color-scheme: light dark; --text: #1c2128; --dim: #5a6572; --page: #ffffff; --soft: #f3f5f8; --line: #d9dee5;
  --bar: #3f7fbf; --track: #e4e9ef; --good: #2b7a3d; --warn: #96650a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #dce3eb; --dim: #94a1b0; --page: #12161c; --soft: #1b2129;
  --line: #313a46; --bar: #5b9bd8; --track: #2a323c; --good: #6fc382; --warn: #dcae55; --bad: #f08a83; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1.5rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.note, caption, th { color: var(--dim); }
code, .code { font: .86em/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
.whole { white-space: nowrap; }
td code { display: inline-block; min-width: 8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
caption { text-align: left; padding-bottom: .25rem; }
th { font-weight: 600; font-size: .86em; text-align: left; white-space: nowrap; }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.right { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: .75rem 0; }
.facts dt { color: var(--dim); }
.facts dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.bar { display: inline-flex; width: 100%; min-width: 6rem; height: .7rem; background: var(--track);
  border-radius: .2rem; overflow: hidden; vertical-align: middle; }
.bar > span { background: var(--bar); min-width: 1px; }
.bar > span + span { border-left: 1px solid var(--page); }
.bar .good { background: var(--good); } .bar .warn { background: var(--warn); } .bar .bad { background: var(--bad); }
.badge { display: inline-block; padding: 0 .45rem; border: 1px solid; border-radius: .6rem; font-size: .8em;
  white-space: nowrap; color: var(--dim); }
.badge.good { color: var(--good); } .badge.warn { color: var(--warn); } .badge.bad { color: var(--bad); }
details { margin: .75rem 0; padding: .5rem .9rem; background: var(--soft); border: 1px solid var(--line);
  border-radius: .4rem; }
summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere; }
ul { margin: .25rem 0; padding-left: 1.25rem; overflow-wrap: anywhere; }
footer { margin-top: 2.5rem; color: var(--dim); font-size: .86em; }
@media (max-width: 40rem) { body { padding: .75rem; } .facts { grid-template-columns: 1fr; }
  .facts dd { margin-bottom: .35rem; } }
@media print { :root { color-scheme: light; --text: #000; --dim: #444; --page: #fff; --soft: #fff; --line: #bbb;
  --bar: #555; --track: #eee; --good: #000; --warn: #000; --bad: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; } .scroll { overflow: visible; }
  .bar, .bar > span { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr, summary { break-inside: avoid; } h2 { break-after: avoid; } }
"""


@dataclass(frozen=True, slots=True)
class Element:
    """An HTML element; ``children`` are other elements, and texts, which are escaped, as the ``attributes`` are."""

    tag: str
    children: tuple[Node, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


Node: TypeAlias = Element | str
"""What a page consists of: an element, or text."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a `table`: its title, and how its cells are aligned. Numbers are aligned to the right."""

    title: str
    align: Align = "left"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a `bar`: ``amount`` in any unit, and what a reader sees who points at it."""

    amount: float
    label: str
    tone: Tone = "plain"


def element(tag: str, *children: Node, style_class: str = "", **attributes: str) -> Element:
    """Return an element; ``style_class`` is its CSS class."""
    named = {"class": style_class} if style_class else {}
    return Element(tag, children, named | attributes)


def render(node: Node) -> str:
    """Return the HTML of an element or a text, which is escaped."""
    return "".join(_pieces(node))


def page(title: str, *content: Node, note: str = "") -> str:
    """Return a whole page with a heading; ``note`` is a line below it."""
    body = element(
        "body",
        element("h1", title),
        *([element("p", note, style_class="note")] if note else ()),
        *content,
        element("footer", "Made by pyskopeo."),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"{render(element('title', title))}\n<style>{_STYLE}</style>\n</head>\n{render(body)}\n</html>\n"
    )


def section(heading: str, *content: Node) -> Element:
    """Return a part of the page with a heading of its own."""
    return element("section", element("h2", heading), *content)


def details(summary: Sequence[Node] | str, *content: Node, is_open: bool = True) -> Element:
    """Return content that a reader can fold away; ``is_open`` is how it is at first, and on paper."""
    line = (summary,) if isinstance(summary, str) else tuple(summary)
    return element("details", element("summary", *line), *content, **({"open": ""} if is_open else {}))


def code(text: str) -> Element:
    """Return text in a monospaced font, such as a digest, a path or a command."""
    return element("code", text)


def unbroken(text: str) -> Element:
    """Return text that is not broken into lines, such as a time in a table."""
    return element("span", text, style_class="whole")


def short_digest(digest: str) -> Element:
    """Return the beginning of a digest, for tables; pointing at it shows all of it."""
    algorithm, _, encoded = digest.partition(":")
    return Element("code", (f"{algorithm}:{encoded[:12]}",), {"class": "whole", "title": digest})


def badge(text: str, tone: Tone = "plain") -> Element:
    """Return a short word in a frame, such as ``added``."""
    return element("span", text, style_class=_toned("badge", tone))


def facts(rows: Iterable[tuple[str, Node]]) -> Element:
    """Return names with their values, one a line."""
    cells = [cell for name, value in rows for cell in (element("dt", name), element("dd", value))]
    return element("dl", *cells, style_class="facts")


def bullets(items: Iterable[Sequence[Node]]) -> Element:
    """Return a list, each item of which consists of elements and texts; lists within it make a tree."""
    return element("ul", *(element("li", *item) for item in items))


def table(columns: Sequence[Column], rows: Iterable[Sequence[Node]], caption: str = "") -> Element:
    """Return a table; each row has a cell for each column. It scrolls by itself where it is wider than the screen."""

    def cells(tag: str, values: Sequence[Node]) -> Iterator[Element]:
        for column, value in zip(columns, values, strict=True):
            yield element(tag, value, style_class="right" if column.align == "right" else "")

    head = element("thead", element("tr", *cells("th", [column.title for column in columns])))
    body = element("tbody", *(element("tr", *cells("td", row)) for row in rows))
    titled = (element("caption", caption),) if caption else ()
    return element("div", element("table", *titled, head, body), style_class="scroll")


def bar(parts: Sequence[Part], whole: float) -> Element:
    """Return a bar as wide as its place, filled by the share that each of ``parts`` has of ``whole``.

    Parts of nothing are left out; the shares are never more than all of the bar.
    """
    shown, left = [], 100.0
    for part in parts:
        share = min(max(100 * part.amount / whole, 0.0) if whole > 0 else 0.0, left)
        if share > 0:
            left -= share
            style = f"width:{share:.3f}%"
            tone = "" if part.tone == "plain" else part.tone
            shown.append(element("span", style_class=tone, style=style, title=part.label))
    return element("span", *shown, style_class="bar", role="img", **{"aria-label": _described(parts)})


def _described(parts: Sequence[Part]) -> str:
    return "; ".join(part.label for part in parts[:10])


def _toned(name: str, tone: Tone) -> str:
    return name if tone == "plain" else f"{name} {tone}"


def _pieces(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield _escaped(node)
        return
    attributes = "".join(f' {name}="{_escaped(value)}"' for name, value in node.attributes.items())
    yield f"<{node.tag}{attributes}>"
    for child in node.children:
        yield from _pieces(child)
    yield f"</{node.tag}>"


def _escaped(text: str) -> str:
    from html import escape

    if len(text) > TEXT_LIMIT:
        text = f"{text[: TEXT_LIMIT - 3]}..."
    return escape(without_controls(text))
