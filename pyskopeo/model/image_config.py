"""Image configurations (OCI image specification, "Image Configuration").

`ImageConfig` is what inspecting and archives need of one. `to_oci` writes a Docker configuration
anew, as the Go types of the specification do, since digests that people pinned depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps
from ..gocompat.go_struct import NULL, Fields, boolean, list_of, string_set, struct, text, text_map, texts, time
from .digest import Digest
from .strict_json import CONFIG_LIMIT, parse_object


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
    return dumps(struct(_IMAGE)(parse_object(raw, "image configuration", CONFIG_LIMIT), "")).encode()


_CONFIG: Fields = {
    "User": (text, None),
    "ExposedPorts": (string_set, None),
    "Env": (texts, None),
    "Entrypoint": (texts, None),
    "Cmd": (texts, None),
    "Volumes": (string_set, None),
    "WorkingDir": (text, None),
    "Labels": (text_map, None),
    "StopSignal": (text, None),
    "ArgsEscaped": (boolean, None),
}
_HISTORY: Fields = {
    "created": (time, None),
    "created_by": (text, None),
    "author": (text, None),
    "comment": (text, None),
    "empty_layer": (boolean, None),
}
_ROOTFS: Fields = {"type": (text, ""), "diff_ids": (texts, NULL)}
_IMAGE: Fields = {
    "created": (time, None),
    "author": (text, None),
    "architecture": (text, ""),
    "variant": (text, None),
    "os": (text, ""),
    "os.version": (text, None),
    "os.features": (texts, None),
    "config": (struct(_CONFIG), {}),
    "rootfs": (struct(_ROOTFS), {"type": "", "diff_ids": None}),
    "history": (list_of(_HISTORY), None),
}
