"""What is taken out of a server's text before a person reads it."""

from __future__ import annotations

import pytest

from pyskopeo.registry.redactor import Redactor


@pytest.mark.parametrize(
    ("secrets", "text", "expected"),
    [
        ([], "hunter2", "hunter2"),
        (["hunter2"], "no: hunter2, hunter2!", "no: ***, ***!"),
        (["hunter2"], "Hunter2", "Hunter2"),
        # One is part of another: neither's rest is left.
        (["hunter", "hunter2-more"], "hunter2-more hunter", "*** ***"),
        # As in a URL, as in a form, as in JSON.
        (["a b/c"], "a%20b%2Fc a+b%2Fc", "*** ***"),
        (['a"b\\c'], r'{"said": "a\"b\\c"}', '{"said": "***"}'),
        # Too short to be a secret, or to be looked for.
        (["", "abc"], "abc", "abc"),
        (["abcd"], "abcd", "***"),
    ],
)
def test_redact(secrets: list[str], text: str, expected: str) -> None:
    redactor = Redactor()
    redactor.add(*secrets)
    assert redactor.redact(text) == expected
