"""The output of ``diff`` as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .quantities import quantity, size
from .text_rows import TextRows, aligned

if TYPE_CHECKING:
    from ..model.extracted_files import ImageFile
    from ..model.image_comparison import Change, ComparedImage, FileDifference, ImageComparison, ValueDifference
    from .text_output import Tone

SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_VALUE = 200  # characters of a value


@dataclass(frozen=True, slots=True)
class FileRow:
    """A line about files: a directory that was added or removed stands for all that is below it.

    ``note`` says how large they are, or what has changed.
    """

    change: Change
    path: str
    growth: int
    note: str


def print_comparison(found: ImageComparison, rows: int | None) -> None:
    """Print what differs, at most ``rows`` lines about files; or that the images are the same."""
    out = TextRows()
    out.line(f"--- {image_line(found.first)}", "strong")
    out.line(f"+++ {image_line(found.second)}", "strong")
    if found.is_same:
        out.line(sameness(found))
        return
    _print_values(out, "Platforms", found.platforms)
    _print_values(out, "Annotations", found.annotations)
    _print_values(out, "Configuration", found.config)
    _print_layers(out, found)
    if found.files is not None:
        _print_files(out, found, found.files, rows)


def image_line(image: ComparedImage) -> str:
    """Return an image's name with its platform, its digest, and the size of its layers."""
    platform = f" ({image.platform})" if image.platform is not None else ""
    return f"{image.name}{platform}  {image.digest.algorithm}:{image.digest.short}  {size(image.size)}"


def sameness(found: ImageComparison) -> str:
    """Return the sentence about images that are the same."""
    if found.first.digest == found.second.digest:
        return "the images are the same"
    return "the images are the same: only how their manifests and layers are stored differs"


def layers_summary(found: ImageComparison) -> str:
    """Return how many layers are in both images, and in one of them."""
    groups = (
        ("in both", [one for one in found.layers if one.is_shared]),
        ("removed", [one for one in found.layers if not one.second]),
        ("added", [one for one in found.layers if not one.first]),
    )
    return ", ".join(
        f"{len(group)} {name} ({size(sum(max(0, one.descriptor.size) for one in group))})"
        for name, group in groups if group
    )  # fmt: skip


def files_summary(files: Sequence[FileDifference], touched: int) -> str:
    """Return how many files were added, removed and changed, and by how many bytes the image grew."""
    plain = [one for one in files if one.aspects != ("mtime",)]
    parts = []
    for change in ("added", "changed", "removed"):
        group = [one for one in plain if one.change == change]
        if group:
            growth = sum(one.growth for one in group)
            parts.append(f"{len(group)} {change}{f' ({signed_size(growth)})' if growth else ''}")
    if touched:
        parts.append(f"{touched} with another time only")
    return ", ".join(parts) or "none differ"


def signed_size(count: int) -> str:
    """Format a number of bytes with its sign, such as ``+1.5 MiB``."""
    return f"{'-' if count < 0 else '+'}{size(abs(count))}"


def file_rows(files: Iterable[FileDifference]) -> list[FileRow]:
    """Return the lines about files that differ: one for all that is in a directory that was added or removed."""
    rows: list[FileRow] = []
    whole: tuple[FileDifference, list[FileDifference]] | None = None
    for one in files:
        if whole is not None and one.change == whole[0].change and _is_below(one.path, whole[0].path):
            whole[1].append(one)
            continue
        if whole is not None:
            rows.append(_directory_row(*whole))
            whole = None
        side = one.second if one.first is None else one.first
        if one.change != "changed" and side is not None and side.kind == "directory":
            whole = one, []
        else:
            rows.append(_file_row(one))
    if whole is not None:
        rows.append(_directory_row(*whole))
    return rows


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(f"{directory}/")


def _directory_row(directory: FileDifference, below: list[FileDifference]) -> FileRow:
    files = [one for one in below if (one.first or one.second) and _kind(one) != "directory"]
    growth = sum(one.growth for one in below)
    note = quantity(len(files), "file") if files else "empty" if not below else ""
    return FileRow(directory.change, f"/{directory.path}/", growth, note)


def _file_row(one: FileDifference) -> FileRow:
    slash = "/" if _kind(one) == "directory" else ""
    return FileRow(one.change, f"/{one.path}{slash}" if one.path else "/", one.growth, _note(one))


def _kind(one: FileDifference) -> str:
    side = one.second or one.first
    return "" if side is None else side.kind


def _note(one: FileDifference) -> str:
    """Return what has changed, with the values before and after where they are short."""
    first, second = one.first, one.second
    if first is None or second is None:
        side = first or second
        if side is None or side.kind == "file":
            return ""
        return f"{side.kind} to {side.link}" if side.link else side.kind
    shown = {
        "type": f"{first.kind} became {second.kind}",
        "mode": f"mode {first.mode:04o} became {second.mode:04o}",
        "owner": f"owner {first.uid}:{first.gid} became {second.uid}:{second.gid}",
        "device": f"device {_device(first)} became {_device(second)}",
        "link": f"link to {first.link} became {second.link}",
    }
    return ", ".join(shown.get(aspect, aspect) for aspect in one.aspects if aspect != "mtime" or len(one.aspects) == 1)


def _device(file: ImageFile) -> str:
    return ",".join(map(str, file.device or ()))


def shown_value(text: str | None) -> str:
    """Return a JSON text for one line: a string without its quotes, and no more than some hundred characters."""
    if text is None:
        return ""
    if text.startswith('"'):
        import json

        text = str(json.loads(text))
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 3]}..."


def _print_values(out: TextRows, title: str, values: Sequence[ValueDifference]) -> None:
    if not values:
        return
    out.line("")
    out.line(title, "strong")
    for value in values:
        if value.change == "changed":
            out.row([out.painted("~", "changed")], value.key)
            out.row(["   ", out.painted("-", "removed")], shown_value(value.first), "removed")
            out.row(["   ", out.painted("+", "added")], shown_value(value.second), "added")
        else:
            text = shown_value(value.second if value.first is None else value.first)
            out.row([out.painted(SIGNS[value.change], value.change)], f"{value.key}  {text}", value.change)


def _print_layers(out: TextRows, found: ImageComparison) -> None:
    out.line("")
    out.line(f"Layers: {layers_summary(found)}", "strong")
    cells = aligned(
        [
            ("=" if one.is_shared else "+" if one.second else "-", str(one.first or ""), str(one.second or ""),
             size(one.descriptor.size))
            for one in found.layers
        ],
        "<>>>",
    )  # fmt: skip
    for row, layer in zip(cells, found.layers, strict=True):
        tone: Tone = "dim" if layer.is_shared else "added" if layer.second else "removed"
        sign = out.painted(row[0], "plain" if layer.is_shared else tone)
        out.row([sign, *row[1:]], str(layer.descriptor.digest), tone)


def _print_files(out: TextRows, found: ImageComparison, files: Sequence[FileDifference], limit: int | None) -> None:
    out.line("")
    out.line(f"Files: {files_summary(files, found.touched)}", "strong")
    every = file_rows(files)
    rows = every[:limit]
    cells = aligned([(SIGNS[row.change], signed_size(row.growth) if row.growth else "") for row in rows], "<>")
    for cell, row in zip(cells, rows, strict=True):
        note = f"  ({row.note})" if row.note else ""
        out.row([out.painted(cell[0], row.change), cell[1]], f"{row.path}{note}", row.change, keep_end=True)
    if (more := len(every) - len(rows)) > 0:
        out.line(f"and {more} more; --rows 0 shows all", "dim")
