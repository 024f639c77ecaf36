"""``config.toml``: which values it can hold, on which line each is, and who can read the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.config.defaults_file import load, parse
from pyskopeo.errors import InvalidInput, StorageFailed

TEXT = """
retry-times = 7          # a number
"registries.d" = '/srv/d'
stall-timeout = 1.5
trust-realm = ["a", "b"]

[copy]
all = true

['store-prune']
older-than = \"\"\"30d\"\"\"
"""


def test_values_and_lines() -> None:
    found = parse(TEXT, "F")
    assert {name: (one.value, one.line) for name, one in found.shared.items()} == {
        "retry-times": ("7", 2), "registries.d": ("/srv/d", 3), "stall-timeout": ("1.5", 4), "trust-realm": (("a", "b"), 5),
    }  # fmt: skip
    commands = {
        table: {name: (one.value, one.line) for name, one in keys.items()} for table, keys in found.commands.items()
    }
    assert commands == {"copy": {"all": (True, 8)}, "store-prune": {"older-than": ("30d", 11)}}
    assert (found.lines, found.place(8), found.place(0)) == ({"copy": 7, "store-prune": 10}, "F:8", "F")


def test_values_are_in_no_representation() -> None:
    assert "hidden" not in repr(parse('creds = "me:hidden"', "F"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = \n", "F:1: not valid TOML: "),
        ("\n\na = 1\na = 2\n", "F:4: not valid TOML: "),
        ("a = " + "9" * 5000, "F: not valid TOML: a number is too long"),
        ("a = " + "[" * 3000, "F: not valid TOML: nested too deeply"),
        ("a = 1979-05-27", 'F:1: "a": want text, a number, true or false, or an array of these'),
        ("\n[copy]\nb = [[1]]", 'F:3: "copy.b": want '),
        ("[copy.b]\nc = 1", 'F: "copy.b": want '),
        ("a = 0x" + "f" * 40, 'F:1: "a": want '),
        ("[[copy]]\na = 1", 'F: "copy": want '),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text, "F")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("mode", "private"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)])
def test_who_can_read_it(tmp_path: Path, mode: int, private: bool) -> None:
    path = tmp_path / "config.toml"
    path.write_text("")
    path.chmod(mode)
    found = load(path, must_exist=False)
    assert found is not None
    assert found.private is private


def test_no_file(tmp_path: Path) -> None:
    assert load(tmp_path / "none", must_exist=False) is None
    with pytest.raises(StorageFailed, match="none: no such file"):
        load(tmp_path / "none", must_exist=True)
