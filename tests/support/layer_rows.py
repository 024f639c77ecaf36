"""Layers as rows of text, for tables: no archives."""

from __future__ import annotations

from pyskopeo.filesystem.entry import Entry, Kind, Whiteout
from pyskopeo.filesystem.overlay import LayerEntries, View

_KINDS = {"f": Kind.FILE, "d": Kind.DIRECTORY, "l": Kind.SYMLINK, "h": Kind.HARDLINK, "p": Kind.FIFO}


def layer(number: int, *rows: str) -> LayerEntries:
    """A layer of rows such as ``f a/b``, ``d a``, ``l link target``, ``h link target``, ``- removed``, ``o opaque``."""
    found = LayerEntries(number)
    for position, row in enumerate(rows):
        kind, path, *rest = row.split(" ")
        path = "" if path == "." else path
        if kind in "-o":
            found.whiteouts.append(Whiteout(path, opaque=kind == "o"))
        else:
            entry = Entry(path, _KINDS[kind], 0o644, 0, 0, 0, 0, rest[0] if rest else "", (0, 0), (), number, position)
            found.entries.append(entry)
    return found


def view(*layers: tuple[str, ...]) -> View:
    """The view of layers, the base layer first."""
    return View.of([layer(number, *rows) for number, rows in enumerate(layers, 1)])
