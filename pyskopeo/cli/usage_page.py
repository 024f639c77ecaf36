"""The output of ``du`` as an HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .html_page import Column, Element, Node, Part, bar, code, facts, page, section, short_digest, table
from .quantities import size
from .text_rows import percentage, printable
from .usage_view import fate, largest, shown_path

if TYPE_CHECKING:
    from ..model.image_usage import ImageUsage

_MOST_WASTED = 500


def usage_page(usage: ImageUsage, rows: int | None) -> str:
    """Return the page: the largest ``rows`` paths, all layers, and the files that are wasted."""
    wasted = f"{size(usage.wasted_size)} ({percentage(usage.wasted_size, usage.layer_size)} of what is in the layers)"
    known: list[tuple[str, Node]] = [
        ("Digest", code(str(usage.digest))),
        ("Platform", str(usage.platform or "not stated")),
        ("Stored", f"{size(usage.stored)} in {len(usage.layers)} layers"),
        ("Files", f"{size(usage.size)} in {usage.files} files"),
        ("Wasted", f"{wasted}, in {len(usage.wasted)} files that a later layer replaces or deletes"),
    ]
    parts = [facts(known), _paths(usage, rows), _layers(usage)]
    if usage.wasted:
        parts.append(_wasted(usage, rows))
    return page(usage.name, *parts, note="Where the bytes of this image are")


def _paths(usage: ImageUsage, rows: int | None) -> Element:
    whole, chosen = usage.paths[0].size, largest(usage.paths, rows)
    more = sum(1 for path in usage.paths if path.size) - len(chosen)
    return section("By path", table(
        [Column("Path"), Column("Size", "right"), Column("Share", "right"), Column("Files", "right"), Column("")],
        [
            [code(printable(shown_path(one))), size(one.size), percentage(one.size, whole), str(one.files),
             bar([Part(one.size, size(one.size))], whole)]
            for one in chosen
        ],
        f"The largest {len(chosen)}; {more} smaller ones are left out" if more > 0 else "",
    ))  # fmt: skip


def _layers(usage: ImageUsage) -> Element:
    whole = max((layer.size for layer in usage.layers), default=0)
    return section("By layer", table(
        [Column("Layer", "right"), Column("Digest"), Column("Stored", "right"), Column("Files", "right"),
         Column("Size", "right"), Column("Wasted", "right"), Column(""), Column("Created by")],
        [
            [str(one.number), short_digest(str(one.descriptor.digest)), size(one.descriptor.size), str(one.files),
             size(one.size), size(one.wasted),
             bar([Part(one.size - one.wasted, f"{size(one.size - one.wasted)} seen"),
                  Part(one.wasted, f"{size(one.wasted)} wasted", "warn")], whole),
             code(one.created_by)]
            for one in usage.layers
        ],
    ))  # fmt: skip


def _wasted(usage: ImageUsage, rows: int | None) -> Element:
    shown = usage.wasted[: _MOST_WASTED if rows is None else rows]
    more = len(usage.wasted) - len(shown)
    return section("Wasted", table(
        [Column("Path"), Column("Size", "right"), Column("Layer", "right"), Column("")],
        [[code(printable(f"/{one.path}")), size(one.size), str(one.layer), fate(one)] for one in shown],
        f"The largest {len(shown)}; {more} smaller ones are left out" if more > 0 else "",
    ))  # fmt: skip
