"""Whether a base that two images share has to be read to compare them."""

from __future__ import annotations

import random

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.filesystem.entry import Entry, Kind, Whiteout
from pyskopeo.filesystem.overlay import LayerEntries, View
from pyskopeo.filesystem.shared_base import is_base_needless
from pyskopeo.filesystem.view_comparison import ViewComparison

Layers = list[list[Entry | Whiteout]]
DIRECTORY = Entry("d", Kind.DIRECTORY, 0o755, 0, 0, 0, 0, "", (0, 0), (), 1, 0)


def entry(path: str, kind: Kind = Kind.FILE, link: str = "", content: bytes = b"") -> Entry:
    return DIRECTORY._replace(path=path, kind=kind, link=link, content=content)


def entries(layers: Layers) -> list[LayerEntries]:
    return [
        LayerEntries(2, [one for one in layer if isinstance(one, Entry)], [one for one in layer if isinstance(one, Whiteout)])
        for layer in layers
    ]


GONE, OPAQUE = Whiteout("gone", False), Whiteout("d", True)
SAME: Layers = [[DIRECTORY, entry("d/f"), entry("f"), entry("l", Kind.SYMLINK, "d"), OPAQUE], [entry("d/f"), GONE]]
CHANGED: Layers = [[DIRECTORY._replace(mode=0o700), entry("d/f", content=b"x"), *SAME[0][2:]], SAME[1]]


@pytest.mark.parametrize(("first", "second", "needless"), [
    (SAME, SAME, True),
    (SAME, CHANGED, True),
    ([], [], True),
    (SAME, SAME[:1], False),
    ([[entry("f")]], [[entry("g")]], False),
    ([[entry("f")]], [[entry("f"), entry("g")]], False),
    ([[entry("f")]], [[entry("f", Kind.SYMLINK, "g")]], False),
    ([[entry("f", Kind.SYMLINK, "g")]], [[entry("f", Kind.SYMLINK, "h")]], False),
    ([[entry("f"), GONE]], [[entry("f")]], False),
    ([[DIRECTORY, OPAQUE]], [[DIRECTORY, Whiteout("d", False)]], False),
    ([[DIRECTORY, Whiteout("d", False)]], [[DIRECTORY, Whiteout("d", False)]], False),
    # Directories that may be links of the base.
    ([[entry("d/f")]], [[entry("d/f")]], False),
    ([[Whiteout("d/f", False)]], [[Whiteout("d/f", False)]], False),
    ([[OPAQUE]], [[OPAQUE]], False),
    ([[DIRECTORY], [entry("d", Kind.SYMLINK, "e")], [entry("d/f")]], [[DIRECTORY], [entry("d", Kind.SYMLINK, "e")], [entry("d/f")]], False),
])  # fmt: skip
def test_whether_the_layers_above_say_all(first: Layers, second: Layers, needless: bool) -> None:
    assert is_base_needless(entries(first), entries(second)) is needless


NAMES = ("a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "l", "l/a", "l/e")


def random_layer(choose: random.Random) -> list[Entry | Whiteout]:
    found: list[Entry | Whiteout] = []
    for path in sorted(choose.sample(NAMES, choose.randint(1, 7))):
        kind = choose.choice((Kind.FILE, Kind.FILE, Kind.DIRECTORY, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK, None, Kind.BLOCK))
        if kind is None:
            found.append(Whiteout(path, choose.random() < 0.5))
        else:
            links = {Kind.SYMLINK: ("d", "/d/e", "a"), Kind.HARDLINK: ("a", "d/a")}.get(kind, ("",))
            found.append(entry(path, kind, choose.choice(links), bytes((choose.randrange(3),))))
    return found


def rebuilt(choose: random.Random, layer: list[Entry | Whiteout]) -> list[Entry | Whiteout]:
    """The layer with other contents and modes."""
    return [
        one._replace(content=bytes((choose.randrange(3),)), mode=choose.choice((0o755, 0o700))) if isinstance(one, Entry) else one
        for one in layer
    ]


def differences(first: list[LayerEntries], second: list[LayerEntries]) -> list[tuple[str, tuple[str, ...]]]:
    found = ViewComparison(View.of(numbered(first)), View.of(numbered(second)))
    return [(one.path, one.aspects) for one in found.files]


def numbered(layers: list[LayerEntries]) -> list[LayerEntries]:
    return [
        LayerEntries(number, [one._replace(layer=number, position=at) for at, one in enumerate(layer.entries)], layer.whiteouts)
        for number, layer in enumerate(layers, 1)
    ]


def test_without_the_base_the_same_differences_are_found() -> None:
    choose, compared = random.Random(0), 0
    for _ in range(3000):
        base = entries([random_layer(choose) for _ in range(choose.randint(1, 2))])
        own = [random_layer(choose) for _ in range(choose.randint(1, 2))]
        first, second = entries(own), entries([rebuilt(choose, layer) for layer in own])
        if not is_base_needless(first, second):
            continue
        try:
            expected = differences([*base, *first], [*base, *second])
        except InvalidContent:
            continue
        assert differences(first, second) == expected
        compared += bool(expected)
    assert compared > 50
