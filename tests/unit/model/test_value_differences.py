"""Values of two configurations that differ."""

from __future__ import annotations

from typing import Any

import pytest

from pyskopeo.model.value_differences import config_differences

DEEP: dict[str, Any] = {}
for _ in range(900):
    DEEP = {"x": DEEP}


@pytest.mark.parametrize(("first", "second", "expected"), [
    ({}, {}, []),
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": True}, [("a", "1", "true")]),
    ({"a": None, "b": [], "c": {}}, {}, []),
    ({"config": {"Labels": {"x.y": "1"}}}, {"config": {"Labels": {"x.y": "2", "z": "3"}}},
     [("config.Labels.x.y", '"1"', '"2"'), ("config.Labels.z", None, '"3"')]),
    ({"config": {"Env": ["A=1", "B=2"]}}, {"config": {"Env": ["B=2", "A=1=1"]}}, [("config.Env.A", '"1"', '"1=1"')]),
    ({"config": {"Env": ["A"]}}, {"config": {"Env": ["A=1"]}}, [("config.Env", '["A"]', None), ("config.Env.A", None, '"1"')]),
    ({"config": {"Env": ["A=1"]}}, {"config": {"Env": ["A=2", "A=1"]}},
     [("config.Env", None, '["A=2", "A=1"]'), ("config.Env.A", '"1"', None)]),
    ({"config": {"User": "a"}}, {"config": {"User": "root"}, "config.User": "a"},
     [("config.User", '"a"', '"root"'), ("config.User", None, '"a"')]),
    ({"history": [1], "rootfs": {"diff_ids": ["a"]}}, {"history": [2]}, []),
    ({"a": {"b": 1}}, {"a": 1}, [("a", None, "1"), ("a.b", "1", None)]),
    ({"a": ["\u00fc", {"y": 1, "x": 2}]}, {}, [("a", '["\u00fc", {"x": 2, "y": 1}]', None)]),
    ({"a": DEEP}, {"a": DEEP}, []),
])  # fmt: skip
def test_differences(first: dict[str, Any], second: dict[str, Any], expected: list[tuple[str, str | None, str | None]]) -> None:
    assert [(one.key, one.first, one.second) for one in config_differences(first, second)] == expected


def test_what_is_nested_deeply_is_one_value() -> None:
    (found,) = config_differences({"a": DEEP}, {})
    assert found.key == ".".join(["a", *["x"] * 7])
    assert found.change == "removed"
