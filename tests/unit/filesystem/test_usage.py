"""Where the bytes of an image are; most of it is in the scenario tests of ``du``."""

from __future__ import annotations

import pytest

from pyskopeo.errors import NotFound
from pyskopeo.filesystem.entry import Entry, Kind, Whiteout
from pyskopeo.filesystem.overlay import LayerEntries
from pyskopeo.filesystem.usage import MeasuredView


def entry(path: str, position: int, size: int = 1, kind: Kind = Kind.FILE, link: str = "") -> Entry:
    return Entry(path, kind, 0o644, 0, 0, 0, size, link, (0, 0), (), 0, position)


def view(*layers: list[Entry | Whiteout]) -> MeasuredView:
    return MeasuredView([
        LayerEntries(
            number,
            [one._replace(layer=number) for one in layer if isinstance(one, Entry)],
            [one for one in layer if isinstance(one, Whiteout)],
        )
        for number, layer in enumerate(layers, 1)
    ])  # fmt: skip


def wasted(measured: MeasuredView) -> list[tuple[str, int, int, bool]]:
    return [(one.path, one.layer, one.by, one.deleted) for one in measured.wasted]


@pytest.mark.parametrize(("layers", "expected"), [
    ([[entry("a", 0)]], []),
    ([[entry("a", 0)], [entry("a", 0)]], [("a", 1, 2, False)]),
    ([[entry("a", 0)], [Whiteout("a", False)], [entry("a", 0)]], [("a", 1, 2, False)]),
    ([[entry("d/a", 0)], [Whiteout("d", False)]], [("d/a", 1, 2, True)]),
    ([[entry("d/a", 0), entry("d/b", 1)], [Whiteout("d", True), entry("d/b", 0)]], [("d/a", 1, 2, True), ("d/b", 1, 2, False)]),
    ([[entry("d/a", 0)], [entry("d", 0, kind=Kind.SYMLINK, size=0, link="e")]], [("d/a", 1, 2, True)]),
    ([[entry("d", 0)], [entry("d", 0, kind=Kind.DIRECTORY, size=0)]], [("d", 1, 2, False)]),
    # A content is wasted only if all its hard links are gone.
    ([[entry("a", 0), entry("b", 1, 0, Kind.HARDLINK, "a")], [Whiteout("a", False)]], []),
    ([[entry("a", 0), entry("b", 1, 0, Kind.HARDLINK, "a")], [Whiteout("a", False)], [Whiteout("b", False)]], [("a", 1, 3, True)]),
])  # fmt: skip
def test_what_no_container_sees(layers: list[list[Entry | Whiteout]], expected: list[tuple[str, int, int, bool]]) -> None:
    assert wasted(view(*layers)) == expected


def test_a_content_with_several_paths_counts_at_the_first() -> None:
    measured = view([entry("z/a", 0, 5), entry("b", 1, 0, Kind.HARDLINK, "z/a")])
    assert [(one.path, one.size, one.files) for one in measured.measure_paths("", 9)] == [("", 5, 1), ("b", 5, 1), ("z", 0, 0)]
    assert [(one.path, one.size) for one in measured.measure_paths("z", 9)] == [("z", 5), ("z/a", 5)]
    with pytest.raises(NotFound):
        measured.measure_paths("c", 1)
