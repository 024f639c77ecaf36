"""Read the list of a registry's repositories."""

from __future__ import annotations

from ..access import Access
from ..errors import InvalidContent
from .sessions import open_registry_session
from .tag_pages import CatalogPages

_PAGE = 1000


async def read_catalog(host: str, access: Access) -> list[str]:
    """Return the names of all repositories of a registry that the user may see, in the registry's order.

    Raises the registry's errors, `TooLarge` for over a million names, and `InvalidContent` if the list may go on where
    it could not be read.
    """
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
