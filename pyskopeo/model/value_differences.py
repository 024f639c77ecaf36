"""Compare configurations and annotations of two images, value by value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .image_comparison import ValueDifference

# History and diff IDs are compared as layers are.
_LEFT_OUT = ("history", "rootfs")
_DEEPEST = 8


def config_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[ValueDifference, ...]:
    """Return the values of two decoded configurations that differ, sorted by key; history and rootfs are left out."""
    return value_differences(*(
        {name: value for name, value in config.items() if name not in _LEFT_OUT} for config in (first, second)
    ))  # fmt: skip


def value_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[ValueDifference, ...]:
    """Return the values of two objects that differ, sorted by key; an object in one counts by its own values."""
    before, after = _flattened(first), _flattened(second)
    return tuple(
        ValueDifference(".".join(path), before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys(), key=lambda path: (".".join(path), path))
        if before.get(path) != after.get(path)
    )


def _flattened(document: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """Return the values of an object as JSON texts; empty objects and lists, and null, count as not there.

    They are by the names that lead to them, which may have dots: a value "config.User" must not hide another one.
    """
    found: dict[tuple[str, ...], str] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if path == ("config", "Env") and isinstance(value, list):
            value = _variables(value)
        if isinstance(value, Mapping) and len(path) < _DEEPEST and (value or not path):
            waiting.extend(((*path, str(name)), inner) for name, inner in value.items())
        elif value not in (None, [], {}):
            found[path] = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return found


def _variables(environment: list[Any]) -> Any:
    """Return environment variables by name, or the list as it is if it is not one of variables, or has one twice."""
    if not all(isinstance(one, str) and "=" in one for one in environment):
        return environment
    by_name = dict(one.split("=", 1) for one in environment)
    return by_name if len(by_name) == len(environment) else environment
