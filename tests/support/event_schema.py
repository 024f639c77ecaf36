"""The schema of ``--progress=json``, and what it says about lines."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import jsonschema

PATH = Path(__file__).parents[2] / "docs" / "reference" / "events.schema.json"


@functools.cache
def schema() -> dict[str, Any]:
    """The document, which is a valid schema itself."""
    found = json.loads(PATH.read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return cast("dict[str, Any]", found)


def kinds() -> list[str]:
    """The events that the schema names."""
    return [one["$ref"].rpartition("/")[2] for one in schema()["oneOf"]]


def fields(kind: str) -> set[str]:
    """All fields that an event may have."""
    return set(schema()["$defs"][kind]["properties"]) | set(schema()["properties"])


def events(lines: Sequence[str]) -> list[dict[str, Any]]:
    """The events on lines, each valid and without a field that the schema does not have."""
    validator = jsonschema.Draft202012Validator(schema())
    found: list[dict[str, Any]] = []
    for line in lines:
        event = json.loads(line)
        validator.validate(event)
        assert set(event) <= fields(event["event"]), event
        found.append(event)
    return found
