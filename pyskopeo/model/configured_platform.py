"""The platform that an image's configuration states (OCI image specification, "Image Configuration")."""

from __future__ import annotations

from ..errors import InvalidContent
from .config_names import with_exact_names
from .platform import Platform
from .strict_json import CONFIG_LIMIT, parse_object

_NAMES = ("os", "architecture", "variant", "os.version", "os.features")


def configured_platform(raw: bytes) -> Platform | None:
    """Return the platform; None if the configuration is invalid, or states no operating system or no architecture."""
    try:
        config = with_exact_names(parse_object(raw, "image configuration", CONFIG_LIMIT))
        found = Platform.from_json({name: config.get(name) for name in _NAMES})
    except InvalidContent:
        return None
    return found if found.os and found.architecture else None
