"""Image configurations of Docker's image specification 1.0 and 1.2, which schema 1 manifests contain.

They are decoded and encoded as by Go's types: the digests of converted images depend on the order of
the fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps
from ..gocompat.go_struct import NULL, Fields, boolean, list_of, string, string_map, string_set, strings, struct, time
from .strict_json import CONFIG_LIMIT, parse_object

_NEVER = "0001-01-01T00:00:00Z"
_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_FIRST_WITH_ALL_FIELDS = (1, 8, 3)
_DIGITS = 19


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A history entry of a configuration; ``empty`` is whether its build step changed no file."""

    created: str
    author: str
    created_by: str
    comment: str
    empty: bool

    def to_history(self) -> dict[str, Any]:
        """Return the JSON object for the ``history`` of a schema 2 configuration."""
        fields = {
            "author": self.author, "created_by": self.created_by, "comment": self.comment, "empty_layer": self.empty,
        }  # fmt: skip
        return {"created": self.created} | {name: value for name, value in fields.items() if value}

    def to_compatibility(self, id: str, parent: str) -> str:
        """Return the ``v1Compatibility`` of a layer that is not the topmost."""
        value: dict[str, Any] = {"id": id, "parent": parent, "comment": self.comment}
        value = {name: text for name, text in value.items() if text}
        value |= {"created": self.created, "container_config": {"Cmd": [self.created_by]}}
        if self.author:
            value["author"] = self.author
        if self.empty:
            value["throwaway"] = True
        return dumps(value)


@dataclass(frozen=True, slots=True)
class V1Compatibility:
    """A parsed ``v1Compatibility``: the ID of a layer, that of the layer below ("" for none), and its history."""

    id: str
    parent: str
    entry: HistoryEntry

    @classmethod
    def parse(cls, text: str, where: str) -> V1Compatibility:
        """Parse a ``v1Compatibility``; ``where`` names it in errors. Raises `InvalidContent`."""
        document = parse_object(_encoded(text, where), where, CONFIG_LIMIT)
        value = _read_compatibility(document, where)
        command = " ".join(value["container_config"]["Cmd"])
        entry = HistoryEntry(value["created"], value["author"], command, value["comment"], value["throwaway"])
        return cls(value["id"], value["parent"], entry)


@dataclass(frozen=True, slots=True)
class BuildHistory:
    """The parts of a configuration that a schema 1 manifest repeats; the oldest of ``entries`` is the first."""

    architecture: str
    entries: tuple[HistoryEntry, ...]

    @classmethod
    def parse(cls, config: bytes) -> BuildHistory:
        """Read them from a configuration; raises `InvalidContent`."""
        value = _read_history(parse_object(config, "image configuration", CONFIG_LIMIT), "")
        return cls(value["architecture"], tuple(HistoryEntry(*map(entry.get, _HISTORY)) for entry in value["history"]))


def with_all_fields(text: str, where: str) -> str:
    """Return a topmost ``v1Compatibility``, encoded again if it was written by Docker before 1.8.3.

    Those versions omitted fields that have to be present. Raises `InvalidContent`.
    """
    image = _read_image(parse_object(_encoded(text, where), where, CONFIG_LIMIT), where)
    version = image.get("docker_version", "")
    return dumps(image) if version and _is_older(version) else text


def _encoded(text: str, where: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidContent(f"{where} is not valid Unicode") from None


def _is_older(version: str) -> bool:
    # As Docker compares versions: a part that is not a number is 0, so that 1.8.0-rc2 is 1.8.0.
    parts = [int(part[:_DIGITS]) if _NUMBER.fullmatch(part) else 0 for part in version.split(".")]
    length = max(len(parts), len(_FIRST_WITH_ALL_FIELDS))
    first = [*_FIRST_WITH_ALL_FIELDS, *[0] * (length - len(_FIRST_WITH_ALL_FIELDS))]
    return parts + [0] * (length - len(parts)) < first


def _texts_or_text(value: Any, where: str) -> list[str]:
    return [value] if isinstance(value, str) else strings(value, where)


def _integer(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidContent(f"image configuration: {where} is not a whole number")
    return value


_COMPATIBILITY: Fields = {
    "id": (string, ""),
    "parent": (string, ""),
    "comment": (string, ""),
    "created": (time, _NEVER),
    "container_config": (struct({"Cmd": (strings, ())}), {"Cmd": ()}),
    "author": (string, ""),
    "throwaway": (boolean, False),
}
_HISTORY: Fields = {
    "created": (time, _NEVER),
    "author": (string, ""),
    "created_by": (string, ""),
    "comment": (string, ""),
    "empty_layer": (boolean, False),
}
_HISTORY_CONFIG: Fields = {"architecture": (string, ""), "history": (list_of(_HISTORY), ())}
_HEALTH: Fields = {
    "Test": (strings, None),
    "StartPeriod": (_integer, None),
    "Interval": (_integer, None),
    "Timeout": (_integer, None),
    "Retries": (_integer, None),
}
_CONFIG: Fields = {
    "Hostname": (string, ""),
    "Domainname": (string, ""),
    "User": (string, ""),
    "AttachStdin": (boolean, False),
    "AttachStdout": (boolean, False),
    "AttachStderr": (boolean, False),
    "ExposedPorts": (string_set, None),
    "Tty": (boolean, False),
    "OpenStdin": (boolean, False),
    "StdinOnce": (boolean, False),
    "Env": (strings, NULL),
    "Cmd": (_texts_or_text, NULL),
    "Healthcheck": (struct(_HEALTH), None),
    "ArgsEscaped": (boolean, None),
    "Image": (string, ""),
    "Volumes": (string_set, NULL),
    "WorkingDir": (string, ""),
    "Entrypoint": (_texts_or_text, NULL),
    "NetworkDisabled": (boolean, None),
    "MacAddress": (string, None),
    "OnBuild": (strings, NULL),
    "Labels": (string_map, NULL),
    "StopSignal": (string, None),
    "StopTimeout": (_integer, None),
    "Shell": (_texts_or_text, None),
}
_EMPTY_CONFIG: Mapping[str, Any] = struct(_CONFIG)({}, "")
_IMAGE: Fields = {
    "id": (string, None),
    "parent": (string, None),
    "comment": (string, None),
    "created": (time, _NEVER),
    "container": (string, None),
    "container_config": (struct(_CONFIG), _EMPTY_CONFIG),
    "docker_version": (string, None),
    "author": (string, None),
    "config": (struct(_CONFIG), None),
    "architecture": (string, None),
    "variant": (string, None),
    "os": (string, None),
    "Size": (_integer, None),
}
_read_compatibility = struct(_COMPATIBILITY)
_read_history = struct(_HISTORY_CONFIG)
_read_image = struct(_IMAGE)
