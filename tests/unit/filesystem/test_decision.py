"""When the upper layers decide: never too early, and no later than needed."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent, NotFound
from pyskopeo.filesystem.decision import Decision
from pyskopeo.filesystem.entry import Kind
from pyskopeo.filesystem.overlay import View
from tests.support.layer_rows import layer

Layers = list[tuple[str, ...]]


def layers_needed(layers: Layers, path: str, *, follow: bool = False) -> int:
    """How many layers are read from the top; they are given from the base up."""
    decision = Decision([path], follow=follow)
    for count, number in enumerate(range(len(layers), 0, -1), 1):
        if decision.add(layer(number, *layers[number - 1])):
            return count
    return len(layers)


BASE = ("d a", "f a/x", "f a/y", "d b", "f b/x")


@pytest.mark.parametrize(
    ("layers", "path", "needed"),
    [
        ([BASE, BASE, ("d a", "f a/x")], "a/x", 1),
        ([BASE, BASE, ("f a/x",)], "a/x", 1),
        ([BASE, BASE, ("d a", "f a/z")], "a/x", 2),
        # Removed: by a whiteout of the file or of a directory, by an opaque directory, by a file in its place.
        ([BASE, BASE, ("d a", "- a/x")], "a/x", 1),
        ([BASE, BASE, ("- a",)], "a/x", 1),
        ([BASE, BASE, ("d a", "o a")], "a/x", 1),
        ([BASE, BASE, ("o .",)], "a/x", 1),
        ([BASE, BASE, ("f a",)], "a/x", 1),
        # An opaque directory does not remove itself.
        ([BASE, BASE, ("d a", "o a")], "a", 3),
        # A directory needs all layers, as each may add to it.
        ([BASE, BASE, BASE], "a", 3),
        # Links on the way are followed, and the target may be in a layer above.
        ([BASE, ("l c a",), ("d a", "f a/x")], "c/x", 2),
        ([BASE, ("l c /a",), BASE], "c/x", 2),
        ([BASE, ("d b", "l b/c ../a"), BASE], "b/c/x", 2),
        ([BASE, BASE, ("l a/l x",)], "a/l", 1),
        # Where the directory of a relative link may be a link itself, all are read.
        ([BASE, BASE, ("l a/c ../b",), BASE], "a/c/x", 2),
        ([BASE, ("l e/c ../b",), BASE], "e/c/x", 3),
        # Hard links: to a file before it in the layer, or to one of any layer below.
        ([BASE, BASE, ("d a", "f a/f", "h a/h a/f")], "a/h", 1),
        ([BASE, BASE, ("d a", "h a/h a/x")], "a/h", 3),
        ([BASE, BASE, ("- a", "h a/h b/x")], "a", 3),
        ([BASE, BASE, ("- a", "f a/f", "h a/h a/f")], "a", 1),
        # By another name, through a link that a lower layer may have.
        ([("l c a", *BASE), BASE, ("f c/x",), BASE], "a/x", 1),
        ([("l c a", *BASE), ("f a/x",), ("f c/x",)], "a/x", 3),
        ([("l c a", *BASE), BASE, ("d c", "f c/x")], "a/x", 2),
        ([("l c a", *BASE), BASE, ("f c/z",)], "a/x", 2),
        ([("l c a", *BASE), BASE, ("- c/x",)], "a/x", 3),
        ([("l c a", *BASE), BASE, ("o c",)], "a/x", 3),
    ],
)
def test_how_many_layers_are_needed(layers: Layers, path: str, needed: int) -> None:
    assert layers_needed(layers, path) == needed


def test_a_link_at_the_end_is_followed_on_request() -> None:
    layers: Layers = [BASE, BASE, ("l l a/x",)]
    assert layers_needed(layers, "l") == 1
    assert layers_needed(layers, "l", follow=True) == 2
    assert layers_needed([BASE, ("l l l",)], "l", follow=True) == 2
    # What a link leads through before it goes up may be a link itself.
    layers = [("d d/e", "f d/z"), ("l b d/e",), ("f z", "l c b/../z")]
    assert layers_needed(layers, "c") == 1
    assert layers_needed(layers, "c", follow=True) == 3


def test_several_paths_need_what_each_needs() -> None:
    decision = Decision(["a/x", "b/x"])
    assert not decision.add(layer(3, "d a", "f a/x"))
    assert decision.add(layer(2, "d b", "f b/x"))


def test_files_that_were_found_probably_decide() -> None:
    decision = Decision(["a/x", "b/x"])
    wanted = decision.next_layer()
    top = layer(2, "d a", "f a/x", "d b")
    assert [wanted(entry) for entry in top.entries] == [False, True, False]
    assert not decision.probably_decided(wanted)
    assert not decision.add(top, wanted)
    wanted = decision.next_layer()
    assert not decision.probably_decided(wanted)
    assert [wanted(entry) for entry in layer(1, "d b/x", "f b/y").entries] == [True, False]
    assert not decision.probably_decided(wanted)
    assert wanted(layer(1, "f b/x").entries[0])
    assert decision.probably_decided(wanted)


def test_what_a_link_leads_to_is_wanted_of_lower_layers_too() -> None:
    decision = Decision(["l/x"])
    wanted = decision.next_layer()
    top = layer(2, "l l a")
    assert not wanted(top.entries[0])
    assert not decision.add(top, wanted)
    assert decision.next_layer()(layer(1, "f a/x").entries[0])


def _rows() -> st.SearchStrategy[str]:
    names = st.sampled_from("abc")
    paths = st.lists(names, min_size=1, max_size=3).map("/".join)
    targets = st.lists(st.sampled_from(["a", "b", "c", ".."]), min_size=1, max_size=3).map("/".join)
    return st.one_of(
        paths.map("f {}".format), paths.map("d {}".format), paths.map("d {}".format), paths.map("- {}".format),
        paths.map("o {}".format), st.builds("l {} {}".format, paths, targets), st.builds("l {} /{}".format, paths, targets),
        st.builds("h {} {}".format, paths, paths),
    )  # fmt: skip


def _found(layers: Layers, first: int, path: str, *, follow: bool) -> object:
    view = View.of([layer(number, *layers[number - 1]) for number in range(first, len(layers) + 1)])
    try:
        node = view.follow(path)[1] if follow else view.find(path)[1]
    except NotFound:
        return None
    return "a directory" if node.is_directory else node.entry


def _check(layers: Layers, path: str, *, follow: bool) -> None:
    needed = layers_needed(layers, path, follow=follow)
    try:
        expected = _found(layers, 1, path, follow=follow)
        found = _found(layers, len(layers) - needed + 1, path, follow=follow)
    except InvalidContent:
        return
    assert found == expected
    assert needed == len(layers) or not isinstance(found, tuple) or found.kind is not Kind.HARDLINK  # type: ignore[attr-defined]


@settings(max_examples=200)
@given(
    layers=st.lists(st.lists(_rows(), max_size=5).map(tuple), min_size=1, max_size=4),
    path=st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join),
    follow=st.booleans(),
)
@example([("l a b", "f b/c"), ("f b/c",), ("f a/c",)], "b/c", False)
@example([("l a b", "d b", "f b/c"), ("f a/c",), ("d b", "f b/c")], "a/c", False)
def test_what_is_decided_stays_so_with_all_layers(layers: Layers, path: str, follow: bool) -> None:
    _check(layers, path, follow=follow)


def test_what_is_decided_stays_so_in_thousands_of_images() -> None:
    """The same, made ten times faster than hypothesis makes them; these are the same in every run."""
    dice = random.Random(0)

    def path() -> str:
        return "/".join(dice.choices("abc", k=dice.randint(1, 3)))

    def row() -> str:
        kind = dice.choice("fdd-olLh")
        target = "/".join(dice.choices(["a", "b", "c", ".."], k=dice.randint(1, 3)))
        return {"l": f"l {path()} {target}", "L": f"l {path()} /{target}", "h": f"h {path()} {path()}"}.get(kind, f"{kind} {path()}")

    for _ in range(4000):
        layers = [tuple(row() for _ in range(dice.randint(0, 5))) for _ in range(dice.randint(1, 4))]
        _check(layers, path(), follow=dice.random() < 0.5)
