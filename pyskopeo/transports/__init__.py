"""The transports: ``transport:details`` is an image name. Each is one module, imported when named."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ..errors import InvalidName
from ..interfaces import ImageReference

TRANSPORTS = ("dir", "docker", "docker-archive", "docker-daemon", "oci", "oci-archive", "tarball")
_MODULES = {name: name.replace("-", "_") for name in TRANSPORTS} | {"dir": "directory"}


def parse_image_name(text: str) -> ImageReference:
    """Parse an image name; raises `InvalidName` with skopeo's words."""
    transport, colon, details = text.partition(":")
    if not colon:
        raise InvalidName(f'Invalid image name "{text}", expected colon-separated transport:reference')
    if transport not in _MODULES:
        raise InvalidName(f'Invalid image name "{text}", unknown transport "{transport}"')
    module = import_module(f".{_MODULES[transport]}", __package__)
    return cast("ImageReference", module.parse(details))
