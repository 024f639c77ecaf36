"""List the repositories of a registry."""

from __future__ import annotations

from ..access import Access
from ..errors import InvalidName
from ..model.reference import DOCKER_HUB, HUB_API, is_registry


async def list_repositories(registry: str, *, access: Access | None = None) -> list[str]:
    """Return the names of the repositories in a registry, ``HOST[:PORT]``, as far as the user may see them.

    They are in the registry's order and without its host: ``team/app``. All pages of ``/v2/_catalog`` are read, which
    is no part of the distribution specification: many registries allow it to administrators only, and Docker Hub does
    not have it.

    Raises `InvalidName`, `RegistryError` or `AccessDenied` if the registry refuses, `TooLarge` for over a million
    names, `InvalidContent`, also if the list may go on where it could not be read, and `NetworkError`.
    """
    from ..registry.catalog import read_catalog

    return await read_catalog(parse_registry(registry), access or Access.from_environ())


def parse_registry(text: str) -> str:
    """Return the registry that ``[docker://]HOST[:PORT]`` names; raises `InvalidName`."""
    host = text.removeprefix("docker://").removesuffix("/")
    if not is_registry(host):
        raise InvalidName(f"{ascii(text)[1:-1][:400]} is no registry: want HOST or HOST:PORT")
    return DOCKER_HUB if host in ("index.docker.io", HUB_API) else host
