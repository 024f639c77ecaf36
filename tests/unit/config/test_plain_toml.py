"""The plain part of TOML against the standard library's parser: the same value, or none."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.config.plain_toml import read_plain

PLAIN = [
    "",
    "\n# nothing\n \t\n",
    '[aliases]\n  # almalinux\n  "alpine" = "docker.io/library/alpine"\n"a/b"="c.example/d:1" # why\n',
    'unqualified-search-registries = ["docker.io", "quay.io"]\nshort-name-mode = "enforcing"\nblank = ""\ntab = "a\tb"\n',
    "[ registries ]\nyes = true\nno\t=false\nYes = true\n",
    'last = [ "a" ,"b"\t]#',
    'a = "[#=\']"\n"" = ""\n"b c" = "d"',
    "1 = true\n-_ = false",
    "[a]\n[b]\n[A]\n",
    'a = "x"\n[b]\na = "y"',
]
# What the parser reads as something else, or refuses.
OTHERS = [
    "a = 1", "a = []", "a = 'x'", 'a = "\\n"', 'a = "é"', "# é", 'a.b = "c"', "[a.b]", "[[registry]]", '["a"]', 'a = """x"""', 'a = ["b",]',
    'a = [\n"b"]', "a = {}", "a = ['b']", 'a = ["b", true]', "a = true\r\n", "a = true\r", "é = true", "a = 1979-05-27",
    "a = true\na = false", 'a = true\n"a" = false', "[a]\n[a]", "a = true\n[a]", "[a]\nb = true\n[a]", "a", "a =", "= true", "[a", "a]",
    "a = True", "a = true false", 'a = "b" "c"', 'a = "b', 'a = b"', "[]", "\x00", "# \x01", "a = true # \x7f", "a = true\x0b", "\x0c", "a\u00a0= true",
    "a = [true]", "a = [,]", 'a = ["b" "c"]', "a = [[]]", "[a] b = true", "[a b]", "a b = true", "\ufeffa = true", 'a = "b"\x85c = "d"',
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_plain(text: str) -> None:
    assert read_plain(text) == tomllib.loads(text)


@pytest.mark.parametrize("text", OTHERS)
def test_left_to_the_parser(text: str) -> None:
    assert read_plain(text) is None


PIECES = ["a", "b", '"a"', '"', "'", "=", " = ", "[", "]", ",", "true", "false", "\n", "#", " ", "\t", "\\", ".", "é", "\r", "1", "[[", "\x0c"]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_no_other_value_than_the_parsers(text: str) -> None:
    found = read_plain(text)
    if found is not None:
        assert found == tomllib.loads(text)
