"""The merged view of layers: what is where, by the rules of the specification and of the programs that run images."""

from __future__ import annotations

from typing import Any

import pytest

from pyskopeo.errors import InvalidContent, NotFound
from pyskopeo.filesystem.entry import Kind
from pyskopeo.filesystem.overlay import Node, View
from tests.support.layer_rows import layer, view


def shown(found: View) -> dict[str, Any]:
    """Every path with the number of its layer, 0 for a directory that none names."""
    return {path: node.entry.layer if node.entry else 0 for path, node in found.walk()}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        # An upper layer's file replaces that of a lower one; directories are merged.
        ([("d a", "f a/x", "f a/y"), ("d a", "f a/x")], {"a": 2, "a/x": 2, "a/y": 1}),
        # Directories that no layer names.
        ([("f a/b/c",)], {"a": 0, "a/b": 0, "a/b/c": 1}),
        # Of entries of one path in one layer the last one counts.
        ([("f a", "l a x"), ("f b", "d b", "f b/c")], {"a": 1, "b": 2, "b/c": 2}),
        ([("d a", "f a/b", "d a")], {"a": 1, "a/b": 1}),
        # A file replaces a directory with all that is in it, and the other way round.
        ([("d a", "f a/b"), ("f a",)], {"a": 2}),
        ([("f a",), ("d a", "f a/b")], {"a": 2, "a/b": 2}),
        # Whiteouts concern lower layers only, wherever they are in theirs.
        ([("f a", "f b"), ("- a",)], {"b": 1}),
        ([("f a",), ("f a", "- a")], {"a": 2}),
        ([("f a",), ("- a", "f a")], {"a": 2}),
        ([("d a", "f a/b"), ("- a",), ("f a/c",)], {"a": 0, "a/c": 3}),
        ([("f a",), ("- b", "- a/b", "- c/d", "o x")], {"a": 1}),
        # An opaque directory hides what lower layers have in it, before and after it.
        ([("d a", "f a/b", "d a/c", "f a/c/d"), ("f a/x", "o a", "f a/y")], {"a": 1, "a/x": 2, "a/y": 2}),
        ([("d a", "d a/c", "f a/c/d"), ("f a/c/new", "o a")], {"a": 1, "a/c": 0, "a/c/new": 2}),
        ([("f a", "d b", "f b/c"), ("o .", "f d")], {"d": 2}),
        # The root's own attributes.
        ([("d .", "f a"), ("d .",)], {"a": 1}),
    ],
)
def test_layers_are_merged(layers: list[tuple[str, ...]], expected: dict[str, int]) -> None:
    assert shown(view(*layers)) == expected


def test_the_order_of_the_walk() -> None:
    """By names, each directory before what is in it, and whatever the order of the layers."""
    found = view(("f b/z", "f a-/x", "f a/x", "f b/a/c", "f b/-"))
    assert [path for path, _ in found.walk()] == ["a", "a/x", "a-", "a-/x", "b", "b/-", "b/a", "b/a/c", "b/z"]


class TestLinks:
    @pytest.mark.parametrize(
        ("layers", "expected"),
        [
            # As docker, containerd and umoci do: a file goes where a link of a lower layer leads, within the root.
            ([("d usr", "d usr/lib", "l lib usr/lib"), ("f lib/x",)], {"usr": 1, "usr/lib": 1, "usr/lib/x": 2, "lib": 1}),
            ([("l out ../../../etc", "d etc"), ("f out/passwd",)], {"out": 1, "etc": 1, "etc/passwd": 2}),
            ([("l out /", "f out/x")], {"out": 1, "x": 1}),
            ([("l a /b/../c", "d b", "f a/x")], {"a": 1, "b": 1, "c": 0, "c/x": 1}),
            # A link to nowhere: the directory is made where it leads.
            ([("l a gone/away", "f a/x")], {"a": 1, "gone": 0, "gone/away": 0, "gone/away/x": 1}),
            # A layer that names the directory replaces the link.
            ([("d usr", "l lib usr"), ("d lib", "f lib/x")], {"usr": 1, "lib": 2, "lib/x": 2}),
            # A link that is replaced in the same layer.
            ([("d b", "l a b", "f a/x", "d a", "f a/y")], {"b": 1, "b/x": 1, "a": 1, "a/y": 1}),
            ([("d b", "d c", "l a b", "f a/x", "l a c", "f a/y")], {"a": 1, "b": 1, "b/x": 1, "c": 1, "c/y": 1}),
            # The directories of a layer come before what is in them, whatever the order of its entries.
            ([("d usr", "l lib usr"), ("f lib/x", "d lib")], {"usr": 1, "lib": 2, "lib/x": 2}),
            ([("f a",), ("f a/x", "d a")], {"a": 2, "a/x": 2}),
            # Whiteouts by way of a link, unless the layer names the directory itself.
            ([("d usr", "f usr/x", "l lib usr"), ("- lib/x", "d lib")], {"usr": 1, "usr/x": 1, "lib": 2}),
            ([("d usr", "f usr/x", "l lib usr"), ("- lib/x",)], {"usr": 1, "lib": 1}),
            ([("d usr", "f usr/x", "l lib usr"), ("o lib",)], {"usr": 1, "lib": 1}),
            ([("d usr", "f usr/x", "l lib usr"), ("- lib",)], {"usr": 1, "usr/x": 1}),
        ],
    )  # fmt: skip
    def test_symbolic_links_lead_from_one_path_of_the_view_to_another(
        self, layers: list[tuple[str, ...]], expected: dict[str, int]
    ) -> None:
        assert shown(view(*layers)) == expected

    @pytest.mark.parametrize("rows", [("l a a", "f a/x"), ("l a b", "l b a", "f a/x"), ("l a a/b", "f a/x")])
    def test_links_in_a_circle(self, rows: tuple[str, ...]) -> None:
        with pytest.raises(InvalidContent, match="symbolic links lead in a circle"):
            view(rows)

    def test_links_that_lead_ever_deeper(self) -> None:
        rows = ["l l0 " + "d/" * 100 + "x", *(f"l l{n} l{n - 1}/" + "d/" * 100 + "x" for n in range(1, 30)), "f l29/f"]
        with pytest.raises(InvalidContent, match="more than 200 directories deep"):
            view(tuple(rows))

    @pytest.mark.parametrize("rows", [("f a", "f a/b"), ("p a", "d a/b/c"), ("f a", "l b a", "f b/c")])
    def test_a_file_is_no_directory(self, rows: tuple[str, ...]) -> None:
        with pytest.raises(InvalidContent, match="which is a file"):
            view(rows)

    def test_hard_links_share_an_entry(self) -> None:
        found = view(("f a", "h b a", "d c", "h c/d b"), ("f a",))
        nodes = dict(found.walk())
        assert nodes["b"].entry is nodes["c/d"].entry
        assert shown(found) == {"a": 2, "b": 1, "c": 1, "c/d": 1}

    def test_a_hard_link_to_a_lower_layer(self) -> None:
        assert shown(view(("f a",), ("h b a",))) == {"a": 1, "b": 1}

    def test_a_hard_link_to_what_the_same_layer_removes_from_lower_ones(self) -> None:
        found = view(("f a",), ("h b a", "- a"))
        assert dict(found.walk())["b"].entry is not None
        assert _kinds(found) == {"b": Kind.HARDLINK}

    def test_a_hard_link_to_a_symbolic_link_is_that_link(self) -> None:
        found = view(("l a /etc/passwd", "h b a"))
        assert _kinds(found) == {"a": Kind.SYMLINK, "b": Kind.SYMLINK}

    def test_a_hard_link_to_nothing_stays_one(self) -> None:
        assert _kinds(view(("h b a", "f a"), ("h c c",))) == {"a": Kind.FILE, "b": Kind.HARDLINK, "c": Kind.HARDLINK}

    def test_a_hard_link_to_a_directory(self) -> None:
        with pytest.raises(InvalidContent, match="'b' is a hard link to a directory"):
            view(("d a", "h b a"))


def _kinds(found: View) -> dict[str, Kind | None]:
    return {path: node.entry.kind if node.entry else None for path, node in found.walk()}


class TestFinding:
    VIEW = view(
        ("d usr", "d usr/lib", "f usr/lib/x", "l lib usr/lib", "l up ../../lib", "l x lib/x", "l abs /x", "l loop loop",
         "d a", "d a/b", "l a/b/back ../..", "l dir a/b", "l sub dir/../f", "f a/f", "f f", "l gone nowhere")
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("usr/lib/x", ["usr/lib/x"]), ("lib/x", ["lib", "usr/lib/x"]), ("up/x", ["up", "lib", "usr/lib/x"]),
            ("x", ["x"]), ("lib", ["lib"]), ("a/b/back/f", ["a/b/back", "f"]), ("dir/back/a/f", ["dir", "a/b/back", "a/f"]),
            ("/usr//lib/./x", ["usr/lib/x"]), ("", [""]), ("usr/lib/..", ["usr"]), ("lib/..", ["lib", "usr"]),
        ],
    )  # fmt: skip
    def test_the_way_to_a_file(self, path: str, expected: list[str]) -> None:
        assert self.VIEW.find(path)[0] == expected

    @pytest.mark.parametrize(
        ("path", "expected"),
        [("x", "usr/lib/x"), ("abs", "usr/lib/x"), ("up/x", "usr/lib/x"), ("sub", "a/f"), ("f", "f"), ("a/b/back", ""),
         ("up", "usr/lib")],
    )  # fmt: skip
    def test_links_at_the_end_are_followed_on_request(self, path: str, expected: str) -> None:
        assert self.VIEW.follow(path)[0] == expected

    @pytest.mark.parametrize("path", ["y", "usr/y", "f/x", "f/..", "x/y", "gone/x", "y/.."])
    def test_what_is_not_there(self, path: str) -> None:
        with pytest.raises(NotFound, match="no file '"):
            self.VIEW.find(path)

    @pytest.mark.parametrize("path", ["gone"])
    def test_a_link_to_nowhere(self, path: str) -> None:
        with pytest.raises(NotFound):
            self.VIEW.follow(path)

    @pytest.mark.parametrize("path", ["loop", "loop/x"])
    def test_a_circle(self, path: str) -> None:
        with pytest.raises(InvalidContent, match="circle"):
            self.VIEW.follow(path)


def test_a_node_knows_what_it_is() -> None:
    assert Node(None, {}).is_directory
    assert not Node(layer(1, "f a").entries[0], None).is_directory
    assert Node(layer(1, "l a b").entries[0], None).is_link
