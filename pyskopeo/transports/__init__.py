"""The transports of image names, ``transport:details`` (containers-transports(5)).

Each is a module with a function ``parse(details)``, imported when an image name uses it.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ..errors import InvalidName
from ..interfaces import ImageReference

TRANSPORTS = ("dir", "docker", "docker-archive", "docker-daemon", "oci", "oci-archive", "tarball")
_MODULES = {name: name.replace("-", "_") for name in TRANSPORTS} | {"dir": "directory"}


def parse_image_name(text: str) -> ImageReference:
    """Parse an image name, ``transport:details``; raises `InvalidName`, in skopeo's words."""
    transport, colon, details = text.partition(":")
    if not colon:
        raise InvalidName(f'Invalid image name "{text}", expected colon-separated transport:reference')
    if transport not in _MODULES:
        raise InvalidName(f'Invalid image name "{text}", unknown transport "{transport}"')
    module = import_module(f".{_MODULES[transport]}", __package__)
    return cast("ImageReference", module.parse(details))
