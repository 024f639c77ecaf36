"""The output of ``diff`` as an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .comparison_view import file_rows, files_summary, layers_summary, sameness, shown_value, signed_size
from .html_page import Column, Element, Tone, badge, code, facts, page, section, short_digest, table
from .quantities import size
from .text_rows import printable

if TYPE_CHECKING:
    from ..model.image_comparison import ComparedImage, FileDifference, ImageComparison, ValueDifference

_TONES: dict[str, Tone] = {"added": "good", "removed": "bad", "changed": "warn"}


def comparison_page(found: ImageComparison, rows: int | None) -> str:
    """Return the page, with at most ``rows`` lines about files."""
    parts = [_image("First image", found.first), _image("Second image", found.second)]
    for title, values in (
        ("Platforms", found.platforms), ("Annotations", found.annotations), ("Configuration", found.config)
    ):  # fmt: skip
        if values:
            parts.append(_values(title, values))
    if not found.is_same:
        parts.append(_layers(found))
    if found.files:
        parts.append(_files(found.files, found.touched, rows))
    note = sameness(found) if found.is_same else "How these images differ"
    return page(f"{found.first.name} and {found.second.name}", *parts, note=note)


def _image(title: str, image: ComparedImage) -> Element:
    return section(title, facts([
        ("Name", image.name),
        ("Digest", code(str(image.digest))),
        ("Platform", str(image.platform or "not stated")),
        ("Layers", size(image.size)),
    ]))  # fmt: skip


def _values(title: str, values: Sequence[ValueDifference]) -> Element:
    return section(title, table(
        [Column(""), Column("Name"), Column("First"), Column("Second")],
        [
            [badge(one.change, _TONES[one.change]), code(one.key), code(shown_value(one.first)),
             code(shown_value(one.second))]
            for one in values
        ],
    ))  # fmt: skip


def _layers(found: ImageComparison) -> Element:
    return section("Layers", table(
        [Column(""), Column("First", "right"), Column("Second", "right"), Column("Size", "right"), Column("Digest")],
        [
            [badge("in both") if one.is_shared else badge(*(("added", "good") if one.second else ("removed", "bad"))),
             str(one.first or ""), str(one.second or ""), size(one.descriptor.size),
             short_digest(str(one.descriptor.digest))]
            for one in found.layers
        ],
        layers_summary(found),
    ))  # fmt: skip


def _files(files: Sequence[FileDifference], touched: int, limit: int | None) -> Element:
    every = file_rows(files)
    shown = every[:limit]
    more = f"; {len(every) - len(shown)} lines are left out" if len(shown) < len(every) else ""
    return section("Files", table(
        [Column(""), Column("Path"), Column("Bytes", "right"), Column("")],
        [
            [badge(row.change, _TONES[row.change]), code(printable(row.path)),
             signed_size(row.growth) if row.growth else "", printable(row.note)]
            for row in shown
        ],
        files_summary(files, touched) + more,
    ))  # fmt: skip
