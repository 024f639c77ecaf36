"""Pieces of JSON as they were written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent
from pyskopeo.model.raw_json import compact, members, write

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_the_text_of_each_value_is_untouched() -> None:
    raw = b' { "a" : {"x" : 1.50, "y":[ 1,2 ]} ,\n"b":"\\u0041\\/", "c\\u0021":1e2,"d" :null } '
    assert members(raw, "x") == {
        "a": '{"x" : 1.50, "y":[ 1,2 ]}', "b": '"\\u0041\\/"', "c!": "1e2", "d": "null",
    }  # fmt: skip
    assert members(b"{}", "x") == members(b" {\n} ", "x") == {}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"a":1', b'{"a":1}x', b'{"a" 1}', b'{"a":1,"a":2}', b'{"a":\xff}'])
def test_what_is_no_object(raw: bytes) -> None:
    with pytest.raises(InvalidContent, match="the config"):
        members(raw, "the config")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (' { "a b" : [ 1 , "x\\" y" ] } ', '{"a b":["x"]}'.replace('["x"]', '[1,"x\\" y"]')),
        ('"<&>\u2028\u2029"', '"\\u003c\\u0026\\u003e\\u2028\\u2029"'),
        ('"\\\\ " ', '"\\\\ "'),
        ('"a\\\\" , "b c"', '"a\\\\","b c"'),
        ("1.50", "1.50"),
    ],
)
def test_compact(text: str, expected: str) -> None:
    assert compact(text) == expected


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), st.sampled_from([None, 1, 3]), st.booleans())
def test_members_and_compact_lose_nothing(document: dict[str, object], indent: int | None, ascii_only: bool) -> None:
    raw = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = members(raw, "x")
    assert {name: json.loads(text) for name, text in found.items()} == document
    dense = {name: compact(text) for name, text in found.items()}
    assert {name: json.loads(text) for name, text in dense.items()} == document
    assert not any(set(text) & set("<>&\u2028\u2029") for text in dense.values())
    assert dense == {
        name: compact(json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")))
        for name, value in document.items()
    }


def test_compacting_a_hostile_text_takes_time_in_proportion() -> None:
    escaped = '"' + "\\\\" * 200_000 + '"'
    assert compact(escaped) == escaped
    assert compact('"' * 100_001 + " " * 200_000) == '"' * 100_001


def test_write_sorts_names_as_go_does() -> None:
    assert write({"b": "1", "a<": '"x"', "é": "null", "B": "[]"}) == (
        '{"B":[],"a\\u003c":"x","b":1,"é":null}'.encode()
    )
