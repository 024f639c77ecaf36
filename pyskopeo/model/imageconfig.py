"""Image configurations (OCI image specification, "Image Configuration").

`ImageConfig` is what inspecting and archives need of one. `to_oci` writes a Docker configuration
anew, as the Go types of the specification do, since digests that people pinned depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import InvalidContent
from .digest import Digest
from .gojson import dumps, sorted_map
from .gotime import GoTime
from .strictjson import CONFIG_LIMIT, parse_object

Reader: TypeAlias = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """A parsed configuration; ``diff_ids`` are the digests of the uncompressed layers."""

    document: Mapping[str, Any]
    diff_ids: tuple[Digest, ...]

    @classmethod
    def parse(cls, raw: bytes) -> ImageConfig:
        """Raises `InvalidContent`."""
        document = parse_object(raw, "image configuration", CONFIG_LIMIT)
        rootfs = document.get("rootfs") or {}
        listed = rootfs.get("diff_ids") or [] if isinstance(rootfs, dict) else None
        if not isinstance(listed, list):
            raise InvalidContent("image configuration: rootfs.diff_ids is not a list")
        return cls(document, tuple(map(Digest.parse, listed)))


def to_oci(raw: bytes) -> bytes:
    """A Docker configuration as an OCI one: the specification's fields in their order, no others.

    Names match whatever their case, a later one wins, null means absent: as Go reads JSON.
    Raises `InvalidContent` for values of the wrong type.
    """
    return dumps(_struct(_IMAGE)(parse_object(raw, "image configuration", CONFIG_LIMIT), "")).encode()


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, "a string")
    return value


def _boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "true or false")
    return value


def _time(value: Any, where: str) -> str:
    try:
        return GoTime.parse(_text(value, where)).rfc3339()
    except InvalidContent as error:
        raise InvalidContent(f"image configuration: {where}: {error}") from None


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list):
        raise _wrong(where, "a list")
    return ["" if entry is None else _text(entry, where) for entry in value]


def _text_map(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong(where, "an object")
    return sorted_map(
        {_text(name, where): "" if entry is None else _text(entry, where) for name, entry in value.items()}
    )


def _set(value: Any, where: str) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict) or not all(entry is None or isinstance(entry, dict) for entry in value.values()):
        raise _wrong(where, "an object of objects")
    return sorted_map({_text(name, where): {} for name in value})


def _list_of(fields: Fields) -> Reader:
    read = _struct(fields)

    def reader(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong(where, "a list")
        return [read({} if entry is None else entry, where) for entry in value]

    return reader


def _struct(fields: Fields) -> Reader:
    """A Go struct: its fields in order, those marked as omitted when empty left out."""
    by_name = {name.lower(): name for name in fields}

    def reader(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(where or "image configuration", "an object")
        found: dict[str, Any] = {}
        for key, entry in value.items():
            name = key if key in fields else by_name.get(key.lower())
            if name is not None and entry is not None:
                found[name] = fields[name][0](entry, f"{where}.{name}" if where else name)
        # A struct is never empty in Go's eyes, everything else is left out when it is.
        written = {}
        for name, (_, default) in fields.items():
            read = found.get(name, default)
            if read or default is not None:
                written[name] = None if read is _NULL else read
        return written

    return reader


def _wrong(where: str, wanted: str) -> InvalidContent:
    return InvalidContent(f"image configuration: {where} is not {wanted}")


_NULL: Any = object()
# Field: how its value is read, and what is written when there is none (None: nothing).
Fields: TypeAlias = "dict[str, tuple[Reader, Any]]"
_CONFIG: Fields = {
    "User": (_text, None),
    "ExposedPorts": (_set, None),
    "Env": (_texts, None),
    "Entrypoint": (_texts, None),
    "Cmd": (_texts, None),
    "Volumes": (_set, None),
    "WorkingDir": (_text, None),
    "Labels": (_text_map, None),
    "StopSignal": (_text, None),
    "ArgsEscaped": (_boolean, None),
}
_HISTORY: Fields = {
    "created": (_time, None),
    "created_by": (_text, None),
    "author": (_text, None),
    "comment": (_text, None),
    "empty_layer": (_boolean, None),
}
_ROOTFS: Fields = {"type": (_text, ""), "diff_ids": (_texts, _NULL)}
_IMAGE: Fields = {
    "created": (_time, None),
    "author": (_text, None),
    "architecture": (_text, ""),
    "variant": (_text, None),
    "os": (_text, ""),
    "os.version": (_text, None),
    "os.features": (_texts, None),
    "config": (_struct(_CONFIG), {}),
    "rootfs": (_struct(_ROOTFS), {"type": "", "diff_ids": None}),
    "history": (_list_of(_HISTORY), None),
}
