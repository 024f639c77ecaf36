"""JSON from those who may mean harm."""

import json

import pytest

from pyskopeo.errors import InvalidContent, TooLarge
from pyskopeo.model.strict_json import CONFIG_LIMIT, MANIFEST_LIMIT, VALUE_LIMIT, parse_object


def test_plain() -> None:
    assert parse_object(b' {"a": [1, 2.5, null, {"b": "\xc3\xa9"}], "c": -1e3} ', "x") == {
        "a": [1, 2.5, None, {"b": "é"}],
        "c": -1000.0,
    }


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON"),
        (b"", "is not valid JSON: it is empty$"),
        (b" \n", "is not valid JSON: only white space$"),
        (b"<html>", "is not valid JSON: it begins with <, as HTML and XML do$"),
        (b"\x1f\x8b\x08\0", "is not valid JSON: it is compressed with gzip$"),
        (b'\xef\xbb\xbf{"a":1}', "it begins with a byte order mark, which JSON must not have$"),
        (b'{"a":"\xff"}', "is not valid JSON: not UTF-8 at byte 6$"),
        (b'{"a":' + b"9" * 641 + b"}", "is not valid JSON: a number has 641 digits, over the limit of 640$"),
        (b'{"a":[-' + b"9" * 10_000 + b"]}", "is not valid JSON: a number has 10000 digits, over the limit of 640$"),
        (b"{", "not valid JSON"),
        (b'{"a":1}{}', "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b'{"a":"\xed\xa0\x80"}', "not valid JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON"),
        ('{"a":1}'.encode("utf-16"), "not valid JSON"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":1e999}', "out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"a":1,"a":1}', "duplicate name 'a'"),
        (b'{"x":[{"a":1,"b":2,"a":3}]}', "duplicate name 'a'"),
        (b'{"a":1,"\\u0061":2}', "duplicate name 'a'"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"x"', "not a JSON object"),
    ],
)
def test_what_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidContent, match=reason) as caught:
        parse_object(raw, "the thing")
    assert str(caught.value).startswith("the thing ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_longest_number() -> None:
    assert parse_object(b'{"a":' + b"9" * 640 + b"}", "x") == {"a": 10**640 - 1}


def test_an_error_shows_nothing_of_the_content() -> None:
    with pytest.raises(InvalidContent) as caught:
        parse_object(b"a-token-in-plain-text", "the answer")
    assert "token" not in str(caught.value)


@pytest.mark.parametrize("filler", [b"{},", b"[],", b"1,", b'"ab",'])
def test_the_number_of_values_is_limited(filler: bytes) -> None:
    """Each takes up to a hundred bytes of memory where it has two or three in the document."""
    number = VALUE_LIMIT + 1
    with pytest.raises(TooLarge, match="the thing has more than 1000000 values"):
        parse_object(b'{"a":[' + filler * number + b"1]}", "the thing", 64 * 1024 * 1024)


def test_what_is_in_strings_is_no_value() -> None:
    text = '{[,\\"' * 300_000
    assert parse_object(json.dumps({"a": text, 'b"': 1}).encode(), "x") == {"a": text, 'b"': 1}


def test_the_limit_is_exact() -> None:
    raw = b'{"a":1}'
    assert parse_object(raw, "x", len(raw)) == {"a": 1}
    with pytest.raises(TooLarge, match="over the limit of 6 bytes") as caught:
        parse_object(raw, "x", len(raw) - 1)
    assert caught.value.limit == 6
    assert MANIFEST_LIMIT == CONFIG_LIMIT == 4 * 1024 * 1024
    with pytest.raises(TooLarge):
        parse_object(b"{}".ljust(MANIFEST_LIMIT + 1), "x")
    assert parse_object(b"{}".ljust(MANIFEST_LIMIT), "x") == {}
