"""List the repositories of a registry."""

from __future__ import annotations

from ..access import Access
from ..errors import InvalidContent, InvalidName
from ..model.reference import DOCKER_HUB, HUB_API, is_registry

_PAGE = 1000


async def list_repositories(registry: str, *, access: Access | None = None) -> list[str]:
    """Return the names of the repositories in a registry, ``HOST[:PORT]``, as far as the user may see them.

    They are in the registry's order and without its host: ``team/app``. All pages of ``/v2/_catalog`` are read, which
    is no part of the distribution specification: many registries allow it to administrators only, and Docker Hub does
    not have it.

    Raises `InvalidName`, `RegistryError` or `AccessDenied` if the registry refuses, `TooLarge` for over a million
    names, `InvalidContent`, also if the list may go on where it could not be read, and `NetworkError`.
    """
    from ..registry.sessions import open_registry_session
    from ..registry.tag_pages import CatalogPages

    host, access = parse_registry(registry), access or Access.from_environ()
    what = f"listing the repositories of {host}"
    access.network.check_online(what)
    async with open_registry_session(host, access) as session:
        pages = CatalogPages(session, f"/v2/_catalog?n={_PAGE}", what)
        while pages.next:
            await session.retry(pages.read, what)
        if pages.problem:
            problem, number = session.redactor.redact(pages.problem), len(pages.names)
            raise InvalidContent(f"{what}: {problem}; only {number} could be read")
    return pages.names


def parse_registry(text: str) -> str:
    """Return the registry that ``[docker://]HOST[:PORT]`` names; raises `InvalidName`."""
    host = text.removeprefix("docker://").removesuffix("/")
    if not is_registry(host):
        raise InvalidName(f"{ascii(text)[1:-1][:400]} is no registry: want HOST or HOST:PORT")
    return DOCKER_HUB if host in ("index.docker.io", HUB_API) else host
