"""What an image is called at the destination: pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from ..errors import InvalidInput, InvalidName
from ..model.reference import DOCKER_HUB, Reference
from ..transports import parse_image_name
from .request import SyncImage


def destination_name(transport: str, destination: str, path: str, *, scoped: bool = False, suffix: str = "") -> str:
    """The image name at the destination of what is ``path`` at the source; raises `InvalidName`.

    ``path`` is ``host/repository:tag`` or ``host/repository@digest`` of an image from a registry, the
    path below the source of one from a directory, the reference name of one from a layout. Its last
    part is kept, with ``scoped`` all of it: in a registry or a directory below ``destination``, in a
    layout as the reference name.
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
        raise unusable(transport, name.partition(":")[2], error) from None
    return name if found.reference is None else f"docker://{familiar(found.reference)}"


def unusable(transport: str, reference: str, error: InvalidName) -> InvalidName:
    """skopeo's words for a name that is none."""
    return InvalidName(
        f'Cannot obtain a valid image reference for transport "{transport}" and reference "{reference}": {error}'
    )


def familiar(reference: Reference) -> str:
    """A reference as people write it: without what goes without saying on Docker Hub."""
    if reference.registry != DOCKER_HUB:
        return str(reference)
    short = str(reference).removeprefix(f"{DOCKER_HUB}/")
    return short.removeprefix("library/") if reference.repository.count("/") == 1 else short


def _joined(base: str, rest: str) -> str:
    """Both as one path, without what says nothing: ``a//b/``, ``./a``."""
    joined = posixpath.normpath(posixpath.join(base, rest)) if base else rest
    return joined[1:] if joined.startswith("//") else joined


def check_distinct(images: Iterable[SyncImage]) -> None:
    """Raises `InvalidInput` where two images would be written to one place: the last would replace the others."""
    taken: dict[str, SyncImage] = {}
    for image in images:
        other = taken.setdefault(image.destination, image)
        if other.source != image.source:
            raise InvalidInput(
                f"{other.source} and {image.source} would both be written to {image.destination}: "
                "with --scoped the whole path of each is kept"
            )
