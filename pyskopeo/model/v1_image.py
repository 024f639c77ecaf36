"""Configurations inside schema 1 manifests and beside schema 2 ones, as Go's types read and write them.

Docker's image specification 1.0 and 1.2; the digests of converted images depend on each field's place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps
from ..gocompat.go_struct import NULL, Fields, boolean, list_of, string_set, struct, text, text_map, texts, time
from .strict_json import CONFIG_LIMIT, parse_object

_NEVER = "0001-01-01T00:00:00Z"
_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_FIRST_WITH_ALL_FIELDS = (1, 8, 3)
_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Step:
    """What is remembered of one step of a build; ``empty`` says that it changed no file."""

    created: str
    author: str
    created_by: str
    comment: str
    empty: bool

    def to_history(self) -> dict[str, Any]:
        """An entry of ``history`` in a configuration of schema 2."""
        fields = {
            "author": self.author, "created_by": self.created_by, "comment": self.comment, "empty_layer": self.empty,
        }  # fmt: skip
        return {"created": self.created} | {name: value for name, value in fields.items() if value}

    def to_compatibility(self, id: str, parent: str) -> str:
        """The ``v1Compatibility`` of a layer that is not the topmost."""
        value: dict[str, Any] = {"id": id, "parent": parent, "comment": self.comment}
        value = {name: text for name, text in value.items() if text}
        value |= {"created": self.created, "container_config": {"Cmd": [self.created_by]}}
        if self.author:
            value["author"] = self.author
        if self.empty:
            value["throwaway"] = True
        return dumps(value)


@dataclass(frozen=True, slots=True)
class Compatibility:
    """One ``v1Compatibility``: the layer's ID, that of the layer below it, and how it came to be."""

    id: str
    parent: str
    step: Step

    @classmethod
    def parse(cls, text: str, where: str) -> Compatibility:
        """Raises `InvalidContent`; ``where`` names it."""
        document = parse_object(_encoded(text, where), where, CONFIG_LIMIT)
        value = _read_compatibility(document, where)
        command = " ".join(value["container_config"]["Cmd"])
        step = Step(value["created"], value["author"], command, value["comment"], value["throwaway"])
        return cls(value["id"], value["parent"], step)


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What a schema 1 manifest repeats of a configuration; ``steps`` are the first one first."""

    architecture: str
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, config: bytes) -> BuildRecord:
        """Raises `InvalidContent`."""
        value = _read_record(parse_object(config, "image configuration", CONFIG_LIMIT), "")
        return cls(value["architecture"], tuple(Step(*map(entry.get, _STEP)) for entry in value["history"]))


def with_all_fields(text: str, where: str) -> str:
    """The topmost ``v1Compatibility``, written anew when a Docker before 1.8.3 wrote it.

    Those left out fields that are expected to be there. Raises `InvalidContent`.
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
    # As Docker compares its versions: what is not a number counts as zero, 1.8.0-rc2 is 1.8.0.
    parts = [int(part[:_DIGITS]) if _NUMBER.fullmatch(part) else 0 for part in version.split(".")]
    length = max(len(parts), len(_FIRST_WITH_ALL_FIELDS))
    first = [*_FIRST_WITH_ALL_FIELDS, *[0] * (length - len(_FIRST_WITH_ALL_FIELDS))]
    return parts + [0] * (length - len(parts)) < first


def _texts_or_text(value: Any, where: str) -> list[str]:
    return [value] if isinstance(value, str) else texts(value, where)


def _integer(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidContent(f"image configuration: {where} is not a whole number")
    return value


_COMPATIBILITY: Fields = {
    "id": (text, ""),
    "parent": (text, ""),
    "comment": (text, ""),
    "created": (time, _NEVER),
    "container_config": (struct({"Cmd": (texts, ())}), {"Cmd": ()}),
    "author": (text, ""),
    "throwaway": (boolean, False),
}
_STEP: Fields = {
    "created": (time, _NEVER),
    "author": (text, ""),
    "created_by": (text, ""),
    "comment": (text, ""),
    "empty_layer": (boolean, False),
}
_RECORD: Fields = {"architecture": (text, ""), "history": (list_of(_STEP), ())}
_HEALTH: Fields = {
    "Test": (texts, None),
    "StartPeriod": (_integer, None),
    "Interval": (_integer, None),
    "Timeout": (_integer, None),
    "Retries": (_integer, None),
}
_CONFIG: Fields = {
    "Hostname": (text, ""),
    "Domainname": (text, ""),
    "User": (text, ""),
    "AttachStdin": (boolean, False),
    "AttachStdout": (boolean, False),
    "AttachStderr": (boolean, False),
    "ExposedPorts": (string_set, None),
    "Tty": (boolean, False),
    "OpenStdin": (boolean, False),
    "StdinOnce": (boolean, False),
    "Env": (texts, NULL),
    "Cmd": (_texts_or_text, NULL),
    "Healthcheck": (struct(_HEALTH), None),
    "ArgsEscaped": (boolean, None),
    "Image": (text, ""),
    "Volumes": (string_set, NULL),
    "WorkingDir": (text, ""),
    "Entrypoint": (_texts_or_text, NULL),
    "NetworkDisabled": (boolean, None),
    "MacAddress": (text, None),
    "OnBuild": (texts, NULL),
    "Labels": (text_map, NULL),
    "StopSignal": (text, None),
    "StopTimeout": (_integer, None),
    "Shell": (_texts_or_text, None),
}
_EMPTY_CONFIG: Mapping[str, Any] = struct(_CONFIG)({}, "")
_IMAGE: Fields = {
    "id": (text, None),
    "parent": (text, None),
    "comment": (text, None),
    "created": (time, _NEVER),
    "container": (text, None),
    "container_config": (struct(_CONFIG), _EMPTY_CONFIG),
    "docker_version": (text, None),
    "author": (text, None),
    "config": (struct(_CONFIG), None),
    "architecture": (text, None),
    "variant": (text, None),
    "os": (text, None),
    "Size": (_integer, None),
}
_read_compatibility = struct(_COMPATIBILITY)
_read_record = struct(_RECORD)
_read_image = struct(_IMAGE)
