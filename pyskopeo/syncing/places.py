"""The places of a sync, its source and its destination, as ``transport:place``."""

from __future__ import annotations

import posixpath
from functools import lru_cache

from ..errors import InvalidName
from ..model.reference import Reference


def split_place(name: str) -> tuple[str, str]:
    """Return the transport of a place and its name without it; which ones there are is for `SyncRequest.check`.

    A registry is ``docker://HOST[/PATH]``. Raises `InvalidName`.
    """
    transport, colon, place = name.partition(":")
    if not (transport and colon and place):
        raise InvalidName(f'invalid name "{name}": want TRANSPORT:PLACE, as in docker://example.com/team or oci:images')
    if transport != "docker":
        return transport, place
    if not place.startswith("//"):
        raise InvalidName(f'invalid name "{name}": want "docker://{place}"')
    return transport, place[2:]


def join_place(transport: str, place: str) -> str:
    """Return a place with its transport, as `split_place` takes it."""
    return f"{transport}:{'//' * (transport == 'docker')}{place}"


def is_below(name: str, place: str) -> bool:
    """Return whether an image name is one that images at a destination have: in its registry, directory or layout."""
    transport, wanted = split_place(place)
    if name.partition(":")[0] != transport:
        return False
    if transport == "docker":
        return _registry(repository_of(name).removeprefix("docker://")) == _registry(f"{wanted}/x")
    details = name.removeprefix(f"{transport}:")
    if transport == "oci":
        return details.startswith(f"{wanted}:")
    below, above = posixpath.normpath(details), posixpath.normpath(wanted)
    if above == ".":
        return not below.startswith(("/", "../")) and below not in (".", "..")
    return below.startswith(f"{above.rstrip('/')}/")


def repository_of(name: str) -> str:
    """Return an image name without its tag and digest."""
    name = name.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


@lru_cache(maxsize=1000)
def _registry(repository: str) -> str:
    try:
        return Reference.parse(repository).registry
    except InvalidName:
        return ""
