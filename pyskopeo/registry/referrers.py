"""List what refers to a manifest: signatures, attestations, lists of packages (distribution specification 1.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ..errors import InvalidContent, NotFound, RegistryError, TooLarge, UnsafeAddress
from ..http.origin import Origin
from ..http.read_bounded import read_bounded
from ..model import mediatype
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from .link_header import find_next_page
from .response_checks import closing, read_error

if TYPE_CHECKING:
    from ..http.httpx_import import httpx
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .repository_reader import Repository

_MAX_PAGES = 100


async def list_referrers(repository: Repository, digest: Digest) -> tuple[Descriptor, ...]:
    """Return the descriptors of the manifests whose subject is ``digest``, sorted by digest ("Listing Referrers").

    Of a registry without that API it is the index with the tag that is made of the digest ("Referrers Tag Schema").
    Each request is retried. Raises `NetworkError`, `InvalidContent`, and `TooLarge` for more than 100 pages.
    """
    session, what = repository.session, f"listing referrers of {digest} in {repository.name}"
    page = f"/v2/{repository.reference.repository}/referrers/{quote(str(digest), safe=':')}"
    found: list[Descriptor] = []
    try:
        for _ in range(_MAX_PAGES):
            entries, page = await session.retry(partial(_read_page, repository, page, what), what)
            found += entries
            if not page:
                break
        else:
            raise TooLarge(f"{what}: more than {_MAX_PAGES} pages: given up", limit=_MAX_PAGES)
    except (NotFound, RegistryError) as error:
        if isinstance(error, RegistryError) and error.status not in (404, 405):
            raise
        found = list(await _tagged_referrers(repository, digest))
    return tuple(sorted(found, key=lambda one: one.digest))


async def _read_page(repository: Repository, page: str, what: str) -> tuple[tuple[Descriptor, ...], str]:
    """GET a page; return its descriptors, and the path of the next page, "" if there is none."""
    session = repository.session
    response = await session.request("GET", page, {"Accept": mediatype.OCI_INDEX})
    if response.status_code != 200:
        raise await read_error(session, response, what)
    async with closing(response):
        raw = await read_bounded(response, MANIFEST_LIMIT, what)
    return _entries(raw, what), _next_page(response, session.origin, what)


def _next_page(response: httpx.Response, registry: Origin, what: str) -> str:
    url = find_next_page(response.headers.get_list("link"), str(response.extensions["url"])).url
    if not url:
        return ""
    if Origin.of(url).host != registry.host:
        raise UnsafeAddress(f"{what}: the next page is on {Origin.of(url)}: refused")
    return urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl()


async def _tagged_referrers(repository: Repository, digest: Digest) -> tuple[Descriptor, ...]:
    tag = f"{digest.algorithm}-{digest.hex}"[:128]
    try:
        raw, _ = await repository.manifest(tag)
    except NotFound:
        return ()
    except RegistryError as error:
        if error.status != 404:
            raise
        return ()
    return _entries(raw, f"reading the referrers in {repository.name}:{tag}")


def _entries(raw: bytes, what: str) -> tuple[Descriptor, ...]:
    index = Manifest.parse(raw, content_type=mediatype.OCI_INDEX)
    if not index.is_index:
        raise InvalidContent(f"{what}: it is no index")
    return index.manifests
