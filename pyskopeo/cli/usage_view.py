"""The output of ``du`` as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .quantities import quantity, size
from .text_rows import TextRows, aligned, percentage

if TYPE_CHECKING:
    from ..model.image_usage import ImageUsage, PathUsage, WastedFile

_WASTED_ROWS = 10


def print_usage(usage: ImageUsage, *, by: str, rows: int | None) -> None:
    """Print a summary, the largest ``rows`` paths or all layers, and the largest files that are wasted."""
    out = TextRows()
    for line in summary(usage):
        out.line(line)
    out.line("")
    if by == "layer":
        _print_layers(out, usage)
    else:
        _print_paths(out, usage, rows)
    if usage.wasted:
        out.line("")
        _print_wasted(out, usage.wasted, None if rows is None else min(rows, _WASTED_ROWS))


def summary(usage: ImageUsage) -> list[str]:
    """Return lines about the image as a whole."""
    platform = f" ({usage.platform})" if usage.platform is not None else ""
    layers, files = quantity(len(usage.layers), "layer"), quantity(usage.files, "file")
    lines = [
        f"{usage.name}{platform}",
        f"{size(usage.stored)} stored in {layers}, {size(usage.size)} in {files}",
    ]
    if usage.wasted:
        lines.append(
            f"{size(usage.wasted_size)} wasted ({percentage(usage.wasted_size, usage.layer_size)} of what is in the "
            f"layers): {quantity(len(usage.wasted), 'file')} that a later layer replaces or deletes"
        )
    return lines


def largest(paths: Iterable[PathUsage], rows: int | None) -> list[PathUsage]:
    """Return the largest paths, without those that are empty: each directory before what is in it, the largest first.

    The directories that a path is in are at least as large, so none of them is missing.
    """
    by_size = sorted((path for path in paths if path.size), key=lambda path: (-path.size, path.depth, path.path))
    chosen = by_size[: None if rows is None else rows + 1]  # with the one that was asked for
    ranks = {path.path: rank for rank, path in enumerate(chosen)}

    def order(path: PathUsage) -> list[int]:
        names = path.path.split("/")
        starts = range(max(1, len(names) - path.depth), len(names) + 1)
        return [ranks["/".join(names[:count])] for count in starts] if path.depth else []

    return sorted(chosen, key=order)


def shown_path(path: PathUsage) -> str:
    """Return a path from the root, with a slash at its end if it is a directory."""
    return f"/{path.path}{'/' if path.is_directory and path.path else ''}"


def _print_paths(out: TextRows, usage: ImageUsage, rows: int | None) -> None:
    chosen = largest(usage.paths, rows)
    whole = usage.paths[0].size
    title = ("SIZE", "SHARE", "FILES")
    cells = aligned([title, *((size(one.size), percentage(one.size, whole), str(one.files)) for one in chosen)], ">>>")
    out.row([*cells[0], *out.bar(0)], "PATH", "dim")
    for row, path in zip(cells[1:], chosen, strict=True):
        bars = out.bar(path.size / whole) if whole else []
        out.row([*row, *bars], shown_path(path), "plain" if path.is_directory else "dim", keep_end=True)
    more = sum(1 for path in usage.paths if path.size) - len(chosen)
    if more > 0:
        out.line(f"and {more} smaller, down to this depth; --rows 0 shows all", "dim")


def _print_layers(out: TextRows, usage: ImageUsage) -> None:
    title = ("LAYER", "STORED", "SIZE", "FILES", "WASTED")
    rows = [
        (str(layer.number), size(layer.descriptor.size), size(layer.size), str(layer.files), size(layer.wasted))
        for layer in usage.layers
    ]  # fmt: skip
    cells = aligned([title, *rows], ">>>>>")
    out.row([*cells[0], *out.bar(0)], "CREATED BY", "dim")
    largest_layer = max((layer.size for layer in usage.layers), default=0)
    for row, layer in zip(cells[1:], usage.layers, strict=True):
        bars = out.bar(layer.size / largest_layer) if largest_layer else []
        out.row([*row, *bars], layer.created_by or layer.descriptor.digest.short)


def _print_wasted(out: TextRows, wasted: tuple[WastedFile, ...], rows: int | None) -> None:
    shown = wasted[:rows]
    cells = aligned([("WASTED", "LAYER", ""), *((size(one.size), str(one.layer), fate(one)) for one in shown)], ">><")
    out.row(cells[0], "PATH", "dim")
    for row, file in zip(cells[1:], shown, strict=True):
        out.row(row, f"/{file.path}", keep_end=True)
    if (more := len(wasted) - len(shown)) > 0:
        out.line(f"and {more} smaller; --rows 0 shows all", "dim")


def fate(file: WastedFile) -> str:
    """Return what became of a file that no container sees."""
    if file.by == file.layer:
        return "replaced by the same layer"
    return f"{'deleted' if file.deleted else 'replaced'} by layer {file.by}"
