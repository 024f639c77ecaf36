"""Text of others, made fit to be printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.http.printable import to_printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("  two\r\nlines\t", "two lines"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("a\x00b\x7fc\x9bd", "a b c d"),
        ("abc\u202egnp.exe", "abc gnp.exe"),
        ("a\u200b\u2066b\ufeff", "a b"),
        ("a\u2028b", "a b"),
        ("a\xadb\u180e\U000e0041c", "a b c"),
        ("half \ud800 of one", "half   of one"),
        ("\u00fcml\u00e4ut \u4f60\u597d \U0001f40b", "\u00fcml\u00e4ut \u4f60\u597d \U0001f40b"),
        (5, "5"),
        (None, "None"),
        ("x" * 400, "x" * 297 + "..."),
    ],
)
def test_clean(text: object, expected: str) -> None:
    assert to_printable(text) == expected


@given(st.text(), st.integers(min_value=4, max_value=50))
def test_clean_is_one_bounded_printable_line(text: str, limit: int) -> None:
    line = to_printable(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    line.encode()
