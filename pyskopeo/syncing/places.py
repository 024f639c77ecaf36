"""The places of a sync, its source and its destination, as ``transport:place``."""

from __future__ import annotations

from ..errors import InvalidName


def split_place(name: str) -> tuple[str, str]:
    """Return the transport of a place and its name without it; which ones there are is for `SyncRequest.check`.

    A registry is ``docker://HOST[/PATH]``. Raises `InvalidName`.
    """
    transport, colon, place = name.partition(":")
    if not colon or not place:
        raise InvalidName(f'invalid name "{name}": want TRANSPORT:PLACE, as in docker://example.com/team or oci:images')
    if transport != "docker":
        return transport, place
    if not place.startswith("//"):
        raise InvalidName(f'invalid name "{name}": want "docker://{place}"')
    return transport, place[2:]


def join_place(transport: str, place: str) -> str:
    """Return a place with its transport, as `split_place` takes it."""
    return f"{transport}:{'//' * (transport == 'docker')}{place}"
