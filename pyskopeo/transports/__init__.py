"""The transports of image names, ``transport:details`` (containers-transports(5)).

Each is a module with a function ``parse(details)``, imported when an image name uses it.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import cast

from ..errors import InvalidName
from ..interfaces import ImageReference

TRANSPORTS = ("dir", "docker", "docker-archive", "docker-daemon", "oci", "oci-archive", "tarball")
_NOT_SUPPORTED = frozenset({"atomic", "containers-storage", "ostree", "sif"})
_MODULES = {name: name.replace("-", "_") for name in TRANSPORTS} | {"dir": "directory"}


def parse_image_name(text: str) -> ImageReference:
    """Parse an image name, ``transport:details``; raises `InvalidName`, in skopeo's words."""
    transport, colon, details = text.partition(":")
    if not colon:
        raise InvalidName(
            f'Invalid image name "{text}", expected colon-separated transport:reference{suggestion(text)}'
        )
    if transport not in _MODULES:
        raise InvalidName(f'Invalid image name "{text}", unknown transport "{transport}"{suggestion(text)}')
    module = import_module(f".{_MODULES[transport]}", __package__)
    return cast("ImageReference", module.parse(details))


def suggestion(text: str) -> str:
    """Return what may have been meant by an image name without a known transport, as the end of an error message."""
    from difflib import get_close_matches

    from ..model.reference import Reference

    transport, _, details = text.partition(":")
    if transport in _NOT_SUPPORTED:
        return f"; {transport}: is not supported, copy the image with the program that stored it"
    if text.startswith(("/", "./", "../")) or os.path.exists(text):
        return "; put dir:, oci:, oci-archive: or docker-archive: before a path"
    near = get_close_matches(transport, TRANSPORTS, 1, 0.75) if details else []
    reference = details.lstrip("/") if near == ["docker"] or transport in ("http", "https") else text
    if near and near != ["docker"]:
        return f'; did you mean "{near[0]}:{details}"?'
    try:
        Reference.parse(reference)
    except InvalidName:
        return f"; the transports are {', '.join(TRANSPORTS)}"
    return f'; did you mean "docker://{reference}"?'
