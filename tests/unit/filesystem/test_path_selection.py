"""Patterns of paths."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput, NotFound
from pyskopeo.filesystem.path_selection import PathSelection, escaped
from tests.support.layer_rows import view


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("etc/passwd", ["etc/passwd", "etc/passwd/x"], ["etc", "etc/passwd-", "xetc/passwd", "a/etc/passwd"]),
        ("/etc/./passwd/", ["etc/passwd"], ["etc"]),
        ("etc", ["etc", "etc/a/b"], ["etcetera", "usr/etc"]),
        ("*.so", ["a.so", "a.so/b", ".so"], ["usr/a.so", "a.so.1"]),
        ("usr/*/x", ["usr/lib/x", "usr/lib/x/y"], ["usr/x", "usr/a/b/x"]),
        ("usr/**/x", ["usr/a/x", "usr/a/b/x"], ["usr/x"]),
        ("**/x", ["a/x", "a/b/x"], ["x"]),
        ("**x", ["x", "a/b/x", "a/bx"], ["y"]),
        ("a?c", ["abc", "a\nc"], ["a/c", "ac", "abbc"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "-x"]),
        ("[!a]x", ["bx"], ["ax", "/x", "x"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("[]a]x", ["]x", "ax"], ["x"]),
        ("[x", ["[x"], ["x"]),
        (r"\*x", ["*x"], ["ax"]),
        (r"a\[b", ["a[b"], ["ab"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)"]),
        ("", ["a", "a/b"], []),
        ("/", ["a"], []),
    ],
)
def test_what_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    selection = PathSelection((pattern,))
    assert [path for path in (*matching, *others) if selection.matches(path)] == matching


@pytest.mark.parametrize("pattern", ["..", "../x", "a/../b", "[z-a]"])
def test_what_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput):
        PathSelection((pattern,))


@pytest.mark.parametrize(
    ("patterns", "literals"),
    [((), None), (("a/b",), ("a/b",)), (("/a/b/", "c"), ("a/b", "c")), (("a*",), None), (("a", "b?"), None),
     ((r"a\*",), ("a*",)), (("a[b]",), None), (("/",), None), (("a", ""), None)],
)  # fmt: skip
def test_which_patterns_name_one_path(patterns: tuple[str, ...], literals: tuple[str, ...] | None) -> None:
    assert PathSelection(patterns).literals == literals


@pytest.mark.parametrize("path", ["a/b", "a*b", "[x]", "a\\b", "?", "a[", "***"])
def test_a_path_as_a_pattern(path: str) -> None:
    selection = PathSelection((escaped(path),))
    assert selection.literals == (path,)
    assert selection.matches(path)


VIEW = view(("d usr", "d usr/lib", "f usr/lib/x", "f usr/lib/y", "l lib usr/lib", "l up lib", "f a*b"))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ((), None),
        (("usr/lib/x",), {"usr/lib/x"}),
        (("usr/lib",), {"usr/lib", "usr/lib/x", "usr/lib/y"}),
        (("usr/*/x", "a*"), {"usr/lib/x", "a*b"}),
        # By links between directories, with these links; a pattern does not follow them.
        (("lib/x",), {"lib", "usr/lib/x"}),
        (("up/x",), {"up", "lib", "usr/lib/x"}),
        (("lib",), {"lib"}),
        (("up/.",), {"up"}),
    ],
)
def test_what_is_selected(patterns: tuple[str, ...], expected: set[str] | None) -> None:
    assert PathSelection(patterns).select(VIEW) == expected


@pytest.mark.parametrize("pattern", ["nothing", "usr/lib/z", "lib/*", "usr/?", "lib/z"])
def test_what_selects_nothing_is_an_error(pattern: str) -> None:
    with pytest.raises(NotFound, match="no file"):
        PathSelection(("usr", pattern)).select(VIEW)
