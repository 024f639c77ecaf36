"""YAML as Go programs read it: raw text, keys that come once, no value in an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.config.untyped_yaml import Untyped, boolean, mapping, parse, string, strings
from pyskopeo.errors import InvalidInput


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", None),
        ("# nothing", None),
        ("null", None),
        ("~", None),
        ("a:", {"a": None}),
        ("a: ''", {"a": ""}),
        ("a: 'null'", {"a": "null"}),
        ("version: 1.20", {"version": "1.20"}),
        ("a: 0x1F", {"a": "0x1F"}),
        ("a: yes", {"a": "yes"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("5000: x", {"5000": "x"}),
        ("a: [1, 'b', null, {c: d}]", {"a": ["1", "b", None, {"c": "d"}]}),
        ('{"a": {"b": true}}', {"a": {"b": "true"}}),
        ("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3", {"x": {"a": "1", "b": "2"}, "y": {"a": "1", "b": "3"}}),
        ("y:\n  b: 3\n  <<: [{a: 1}, {a: 2, c: 4}]", {"y": {"a": "1", "b": "3", "c": "4"}}),
        ("x: &x [1]\ny: *x", {"x": ["1"], "y": ["1"]}),
        ("---\na: 1\n...\n", {"a": "1"}),
        ("a: ümlaut", {"a": "ümlaut"}),
    ],
)
def test_values(source: str, expected: Untyped) -> None:
    assert parse(source, "F") == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a: 1\nb: [", "F: not valid YAML in line 2, column 5: expected the node content, but found '<stream end>'"),
        ("a: b: c", "F: not valid YAML in line 1, column 5: mapping values are not allowed here"),
        ("a: 1\n b: 2", "F: not valid YAML in line 2, column 3: mapping values are not allowed here"),
        ("a: 1\na: 2", "F: line 2, column 1: the key 'a' is there already"),
        ("x:\n  y:\n    a: 1\n    b: 1\n    a: 2", "F: line 5, column 5: the key 'a' is there already"),
        ("? [a]\n: b", "F: line 1, column 3: a key is not a string"),
        ("~: b", "F: line 1, column 1: a key is not a string"),
        ("a: &x [*x]", "F: line 1, column 4: an alias within what it stands for"),
        ("a:\n  <<: 5", "F: line 2, column 7: only mappings can be merged"),
        ("a: 1\n---\nb: 2", "F: not valid YAML in line 2, column 1: but found another document"),
        ("a: \x07", "F: not valid YAML: it has characters that are not allowed there"),
        ("[" * 5000, "F: not YAML that can be read: nested too deeply"),
    ],
)
def test_errors_say_where(source: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(source, "F")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "source",
    [
        "password: *hunter2",
        "password: *it's",
        "password: &hunter2 a\nmore: &hunter2 b",
        "password: !hunter2!x",
        'password: "\\hunter2',
        "password: hunter2\n\tx: y",
        "password: `hunter2",
        "password: %hunter2",
        "password: 'hunter2",
        "password: @hunter2",
        "password: hunter2: x",
        "password: >hunter2",
        "password: {hunter2",
    ],
)
def test_no_value_shows_in_an_error(source: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(source, "F")
    assert "hunter2" not in str(caught.value)
    assert "it's" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_of_aliases_do_not_grow() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60))]
    found = parse("\n".join(lines), "F")
    assert isinstance(found, dict)
    assert len(found) == 60


@given(st.text(max_size=80) | st.text(alphabet="ab:-[]{}&*!|>'\"%@` \n\t#?,~<", max_size=80))
def test_any_text_is_a_value_or_one_line_of_refusal(source: str) -> None:
    message = "F: "
    try:
        parse(source, "F")
    except InvalidInput as error:
        message = str(error)
    assert message.startswith("F: ")
    assert "\n" not in message


_PLAIN = st.recursive(
    st.none() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(_PLAIN)
def test_what_is_written_comes_back(value: Untyped) -> None:
    import yaml

    assert parse(yaml.safe_dump(value), "F") == value


def test_fields() -> None:
    assert mapping(None, "x") == {}
    assert mapping({"a": "b"}, "x") == {"a": "b"}
    assert string(None, "x") == ""
    assert string("1.20", "x") == "1.20"
    assert strings(None, "x") is None
    assert strings([], "x") == ()
    assert strings(["a", "1"], "x") == ("a", "1")
    assert boolean(None, "x") is None
    assert [boolean(word, "x") for word in ("true", "Yes", "on", "y", "TRUE")] == [True] * 5
    assert [boolean(word, "x") for word in ("false", "No", "off", "n", "FALSE")] == [False] * 5


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (mapping, "a", "x is not a mapping"),
        (mapping, ["a"], "x is not a mapping"),
        (string, ["a"], "x is not a string"),
        (string, {}, "x is not a string"),
        (strings, "a", "x is not a list"),
        (strings, [{}], "x[0] is not a string"),
        (boolean, "", "x is neither true nor false"),
        (boolean, "1", "x is neither true nor false"),
        (boolean, [], "x is neither true nor false"),
    ],
)
def test_wrong_fields(read: object, value: Untyped, message: str) -> None:
    assert callable(read)
    with pytest.raises(InvalidInput) as caught:
        read(value, "x")
    assert str(caught.value) == message
