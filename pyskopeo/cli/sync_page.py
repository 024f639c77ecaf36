"""The report of a sync as an HTML page: totals, what has failed, and the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .html_page import (
    Column,
    Element,
    Node,
    Part,
    Tone,
    badge,
    bar,
    code,
    details,
    facts,
    page,
    section,
    short_digest,
    table,
)
from .quantities import quantity, size, span

if TYPE_CHECKING:
    from ..syncing.sync_request import ImageResult, Status, SyncReport

MOST_ROWS = 5000
"""How many images of one status a page has, at most; the others are counted."""

_TONES: dict[str, Tone] = {"copied": "good", "failed": "bad", "skipped": "warn", "deleted": "warn", "obsolete": "warn"}
# In the order of a page: what may need a person comes first.
_SECTIONS: tuple[tuple[Status, str], ...] = (
    ("failed", "Failed"),
    ("deleted", "Deleted, since they are gone at the source"),
    ("obsolete", "To be deleted, since they are gone at the source"),
    ("copied", "Copied"),
    ("planned", "To be copied"),
    ("skipped", "Not started"),
    ("present", "Up to date"),
)


def sync_page(source: str, destination: str, report: SyncReport, *, dry_run: bool = False, finished: str = "") -> str:
    """Return the page; ``source`` and ``destination`` are what was copied where, ``finished`` is the time of the end.

    Images that were up to date are folded away.
    """
    counts = Counter(result.status for result in report.results)
    parts: list[Node] = [_totals(source, destination, report, counts, finished)]
    for status, title in _SECTIONS:
        results = [result for result in report.results if result.status == status]
        if results:
            parts.append(_images(status, title, results))
    note = "Dry run: nothing was copied" if dry_run else _note(report)
    return page(f"{source} to {destination}", *parts, note=note)


def _note(report: SyncReport) -> str:
    failed = report.count("failed")
    if not report.failed:
        return f"All of {quantity(len(report.results), 'image')} are done"
    lists = f"; {quantity(report.listing_failures, 'source')} could not be listed" if report.listing_failures else ""
    return f"{quantity(failed, 'image')} of {len(report.results)} failed{lists}"


def _totals(source: str, destination: str, report: SyncReport, counts: Counter[Status], finished: str) -> Element:
    shown = [Part(counts[status], f"{counts[status]} {status}", _TONES.get(status, "plain")) for status, _ in _SECTIONS]
    rows: list[tuple[str, Node]] = [
        ("Source", source),
        ("Destination", destination),
        ("Images", str(len(report.results))),
        *((status.capitalize(), str(counts[status])) for status, _ in _SECTIONS if counts[status]),
        ("Sources", str(report.sources)),
        *([("Sources not listed", str(report.listing_failures))] if report.listing_failures else []),
        ("Moved", size(report.moved)),
        ("Time", span(report.seconds)),
        *([("Finished", finished)] if finished else []),
    ]
    return section("Totals", bar(shown, len(report.results)), facts(rows))


def _images(status: str, title: str, results: Sequence[ImageResult]) -> Element:
    shown, more = results[:MOST_ROWS], max(len(results) - MOST_ROWS, 0)
    caption = f"{quantity(len(results), 'image')}" + (f"; {more} are left out here" if more else "")
    if status == "failed":
        return section(title, table(
            [Column(""), Column("Image"), Column("Destination"), Column("Error")],
            [[badge(status, "bad"), code(one.image.source), code(one.image.destination), one.error] for one in shown],
            caption,
        ))  # fmt: skip
    rows = table(
        [Column(""), Column("Image"), Column("Destination"), Column("Digest"), Column("Moved", "right"),
         Column("Time", "right")],
        [
            [badge(status, _TONES.get(status, "plain")), code(one.image.source), code(one.image.destination),
             "" if one.digest is None else short_digest(str(one.digest)), size(one.moved) if one.moved else "",
             span(one.seconds) if one.seconds >= 1 else ""]
            for one in shown
        ],
        caption,
    )  # fmt: skip
    if status == "present":
        return details(f"{title}: {quantity(len(results), 'image')}", rows, is_open=False)
    return section(title, rows)
