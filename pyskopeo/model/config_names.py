"""The names in image configurations (OCI image specification, "Image Configuration").

Go reads them in any case, other programs exactly; no two of them may see two configurations in the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from ..gocompat.field_names import DuplicateName, FieldNames
from .strict_json import CONFIG_LIMIT, parse_object

_WHERE = "image configuration"
_NAMES = FieldNames.of(
    "created", "author", "architecture", "os", "os.version", "os.features", "variant", "config", "rootfs", "history",
    "docker_version",
)  # fmt: skip
_INNER_NAMES = {
    "config": FieldNames.of(
        "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
        "ArgsEscaped",
    ),
    "rootfs": FieldNames.of("type", "diff_ids"),
}  # fmt: skip
_HISTORY_NAMES = FieldNames.of("created", "created_by", "author", "comment", "empty_layer")


def with_exact_names(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a decoded configuration as Go reads it: with the specification's names, whatever their case was.

    Raises `DuplicateName` for two names of one field.
    """
    found = dict(_NAMES.normalize(document, _WHERE))
    for name, names in _INNER_NAMES.items():
        if isinstance(inner := found.get(name), Mapping):
            found[name] = names.normalize(inner, f"{_WHERE}: {name}")
    if isinstance(history := found.get("history"), list):
        for entry in history:
            if isinstance(entry, Mapping):
                _HISTORY_NAMES.normalize(entry, f"{_WHERE}: history")
    return found


def check_names(raw: bytes) -> None:
    """Raise `DuplicateName` for a configuration that names one field twice, in the same or in different case.

    Other faults are for those who use the configuration: it is copied as it is.
    """
    try:
        with_exact_names(parse_object(raw, _WHERE, CONFIG_LIMIT))
    except DuplicateName:
        raise
    except InvalidContent:
        return
