"""JSON as Go writes it."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent
from pyskopeo.gocompat.go_json import dumps, shortest_decimal, sorted_map


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", '""'),
        ("a<b>&c", '"a\\u003cb\\u003e\\u0026c"'),
        ("\u2028\u2029", '"\\u2028\\u2029"'),
        ('"\\/', '"\\"\\\\/"'),
        ("\n\r\t", '"\\n\\r\\t"'),
        ("\b\f\v\x00\x1f\x7f", '"\\u0008\\u000c\\u000b\\u0000\\u001f\x7f"'),
        ("é☺\U0001f600\xa0\ufeff", '"é☺\U0001f600\xa0\ufeff"'),
        ("a\ud800b\udfff", '"a\ufffdb\ufffd"'),
    ],
)
def test_strings(text: str, written: str) -> None:
    assert dumps(text) == written
    assert dumps({text: 1}) == f"{{{written}:1}}"


def test_without_html() -> None:
    assert dumps("<&>\u2028\x00", escape_html=False) == '"<&>\\u2028\\u0000"'


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0"), (-5, "-5"), (2**63, "9223372036854775808"), (True, "true"), (False, "false"), (None, "null"),
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (1.5, "1.5"), (-12.25, "-12.25"), (0.1, "0.1"), (1e20, "100000000000000000000"),
        (1e21, "1e+21"), (1.5e21, "1.5e+21"), (1e-6, "0.000001"), (1.25e-6, "0.00000125"), (1e-7, "1e-7"),
        (-1.5e-10, "-1.5e-10"), (1e100, "1e+100"), (123456789012345678.0, "123456789012345680"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (9007199254740993.0, "9007199254740992"),
    ],
)  # fmt: skip
def test_scalars(number: object, written: str) -> None:
    assert dumps(number) == written


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, b"x", {1}, object(), 1j])
def test_what_json_cannot_hold(value: object) -> None:
    with pytest.raises(InvalidContent):
        dumps([value])


def test_indent() -> None:
    value = {"b": [], "a": {}, "c": [1, {"x": None}], "d": ("t",)}
    assert dumps(value) == '{"b":[],"a":{},"c":[1,{"x":null}],"d":["t"]}'
    assert dumps(value, 4) == (
        '{\n    "b": [],\n    "a": {},\n    "c": [\n        1,\n        {\n            "x": null\n        }\n    ],\n'
        '    "d": [\n        "t"\n    ]\n}'
    )
    assert (dumps({}, 4), dumps([], 4), dumps("x", 4)) == ("{}", "[]", '"x"')


def test_order() -> None:
    names = {"b": 1, "a": 2, "B": 3, "é": 4, "z": 5, "": 6, "\U0001f600": 7, "\uffff": 8}
    assert "".join(sorted_map(names)) == "Babzé\uffff\U0001f600"
    assert list(sorted_map(names)) == sorted(names, key=lambda name: name.encode())
    assert dumps({"z": {"b": 1, "a": 2}, "y": sorted_map({"b": 1, "a": 2})}) == '{"z":{"b":1,"a":2},"y":{"a":2,"b":1}}'
    assert dumps({"z": [{"b": 1, "a": 2}], "y": 0}, sort_maps=True) == '{"y":0,"z":[{"a":2,"b":1}]}'


def test_any_depth() -> None:
    deep: object = 0
    for _ in range(50_000):
        deep = [deep]
    assert dumps(deep) == "[" * 50_000 + "0" + "]" * 50_000


# A whole float is written without a point, and read back as an integer.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(DOCUMENTS, st.sampled_from([0, 4]), st.booleans())
def test_reads_back(document: object, indent: int, escape_html: bool) -> None:
    written = dumps(document, indent, escape_html=escape_html)
    assert json.loads(written) == document
    if escape_html:
        assert not set("<>&") & set(written)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shortest(number: float) -> None:
    digits, point = shortest_decimal(number)
    assert float(f"0.{digits}e{point}") == abs(number)
    assert digits == "0" or (digits[0] != "0" and digits[-1] != "0")
