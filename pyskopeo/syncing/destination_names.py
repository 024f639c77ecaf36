"""Names of synced images at the destination (skopeo-sync(1)); no I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from ..errors import InvalidInput, InvalidName
from ..model.reference import DOCKER_HUB, Reference
from ..transports import parse_image_name
from .sync_request import SyncImage


def destination_name(transport: str, destination: str, path: str, *, scoped: bool = False, suffix: str = "") -> str:
    """Return the image name (``transport:details``) at the destination for the image ``path`` of the source.

    ``path`` is ``host/repository:tag`` or ``host/repository@digest`` in a registry, the path below the source
    directory, or the reference name in a layout. Its last component, with ``scoped`` all of it, is appended to
    ``destination``; in a layout it becomes the reference name. ``suffix`` is appended to the name.

    Raises `InvalidName`.
    """
    kept = path.strip("/") if scoped else posixpath.basename(path.rstrip("/"))
    if not kept or any(part in (".", "..") for part in kept.split("/")):
        raise InvalidName(f"{ascii(path)[:200]} cannot be an image's name at the destination")
    if transport == "oci":
        if ":" in destination:
            raise InvalidName(f"oci: the path of a layout cannot have a colon in it: {destination}")
        name = f"oci:{destination}:{kept}{suffix}"
    else:
        joined = _joined(destination, kept) + suffix
        name = f"docker://{joined}" if transport == "docker" else f"dir:{joined}"
    try:
        found = parse_image_name(name)
    except InvalidName as error:
        host = kept.partition("/")[0]
        if transport == "docker" and scoped and ":" in host:
            reason = f"--scoped puts {host} into the name, where no port is allowed: sync without it"
            error = InvalidName(f"{error}; {reason}")
        raise invalid_reference(transport, name.partition(":")[2], error) from None
    return name if found.reference is None else f"docker://{familiar_name(found.reference)}"


def invalid_reference(transport: str, reference: str, error: InvalidName) -> InvalidName:
    """Return the error for a name that cannot be parsed, in skopeo's words."""
    return InvalidName(
        f'Cannot obtain a valid image reference for transport "{transport}" and reference "{reference}": {error}'
    )


def familiar_name(reference: Reference) -> str:
    """Return a reference in its short form: without Docker Hub's host and ``library/``, as Docker prints it."""
    if reference.registry != DOCKER_HUB:
        return str(reference)
    short = str(reference).removeprefix(f"{DOCKER_HUB}/")
    return short.removeprefix("library/") if reference.repository.count("/") == 1 else short


def _joined(base: str, rest: str) -> str:
    """Return ``rest`` below ``base``, normalized: without ``.`` components and repeated slashes."""
    joined = posixpath.normpath(posixpath.join(base, rest)) if base else rest
    return joined[1:] if joined.startswith("//") else joined


def check_distinct(images: Iterable[SyncImage]) -> None:
    """Raise `InvalidInput` if two different images have the same name at the destination.

    Also raised for directories within each other, since a directory is replaced with whatever is in it.
    """
    by_destination: dict[str, SyncImage] = {}
    for image in images:
        other = by_destination.setdefault(image.destination, image)
        if other.source != image.source:
            raise InvalidInput(
                f"{other.source} and {image.source} would both be written to {image.destination}: "
                "--scoped keeps the whole path of each, and --map gives other names"
            )
    for destination, image in by_destination.items():
        parent = posixpath.dirname(destination) if destination.startswith("dir:") else ""
        while "/" in parent:
            if parent in by_destination:
                raise InvalidInput(
                    f"{image.source} would be written to {destination}, within the directory of "
                    f"{by_destination[parent].source}: choose another destination for one of them"
                )
            parent = posixpath.dirname(parent)
