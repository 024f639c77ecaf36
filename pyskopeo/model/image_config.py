"""Image configurations (OCI image specification, "Image Configuration").

`to_oci` encodes a Docker configuration as the specification's Go types do, byte for byte, so that
converted images have the same digests as skopeo's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps
from ..gocompat.go_struct import NULL, Fields, boolean, list_of, string, string_map, string_set, strings, struct, time
from .config_names import with_exact_names
from .digest import Digest
from .strict_json import CONFIG_LIMIT, parse_object


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """A parsed configuration; ``diff_ids`` are the digests of the uncompressed layers, base layer first.

    ``document`` is the decoded JSON as Go reads it: with the specification's names, whatever their case was.
    """

    document: Mapping[str, Any]
    diff_ids: tuple[Digest, ...]

    @classmethod
    def parse(cls, raw: bytes) -> ImageConfig:
        """Parse a configuration of either type; raises `InvalidContent`, and `TooLarge` over `CONFIG_LIMIT`."""
        document = parse_config(raw)
        rootfs = document.get("rootfs")
        if not isinstance(rootfs, Mapping | None):
            raise InvalidContent("image configuration: rootfs is not an object")
        diff_ids = rootfs.get("diff_ids") if rootfs else None
        if not isinstance(diff_ids, list | None):
            raise InvalidContent("image configuration: rootfs.diff_ids is not a list")
        return cls(document, tuple(map(Digest.parse, diff_ids or ())))


def parse_config(raw: bytes) -> Mapping[str, Any]:
    """Decode a configuration of either type as Go does: with the specification's names, whatever their case was.

    Raises `InvalidContent`, also for two names of one field, and `TooLarge` over `CONFIG_LIMIT`.
    """
    return with_exact_names(parse_object(raw, "image configuration", CONFIG_LIMIT))


def to_oci(raw: bytes) -> bytes:
    """Convert a Docker configuration to an OCI one: the fields of the specification, in its order.

    As Go decodes JSON, names match in any case, and null is the same as absent. Raises `InvalidContent` for
    values of the wrong type and for two names of one field, and `TooLarge`.
    """
    return dumps(struct(_IMAGE)(parse_object(raw, "image configuration", CONFIG_LIMIT), "")).encode()


_CONFIG: Fields = {
    "User": (string, None),
    "ExposedPorts": (string_set, None),
    "Env": (strings, None),
    "Entrypoint": (strings, None),
    "Cmd": (strings, None),
    "Volumes": (string_set, None),
    "WorkingDir": (string, None),
    "Labels": (string_map, None),
    "StopSignal": (string, None),
    "ArgsEscaped": (boolean, None),
}
_HISTORY: Fields = {
    "created": (time, None),
    "created_by": (string, None),
    "author": (string, None),
    "comment": (string, None),
    "empty_layer": (boolean, None),
}
_ROOTFS: Fields = {"type": (string, ""), "diff_ids": (strings, NULL)}
_IMAGE: Fields = {
    "created": (time, None),
    "author": (string, None),
    "architecture": (string, ""),
    "os": (string, ""),
    "os.version": (string, None),
    "os.features": (strings, None),
    "variant": (string, None),
    "config": (struct(_CONFIG), {}),
    "rootfs": (struct(_ROOTFS), {"type": "", "diff_ids": None}),
    "history": (list_of(_HISTORY), None),
}
