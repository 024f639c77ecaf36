"""List what refers to a manifest: signatures, attestations, lists of packages (distribution specification 1.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ..errors import ContentMismatch, InvalidContent, NotFound, RegistryError, TooLarge, UnsafeAddress, Unsupported
from ..fast_dataclass import dataclass, replace
from ..http.origin import Origin
from ..http.printable import to_printable
from ..http.read_bounded import read_bounded
from ..model import mediatype
from ..model.content_digest import content_digest
from ..model.descriptor import Descriptor
from ..model.manifest import Manifest
from ..model.referrer import (
    COSIGN_SUFFIXES,
    MAX_REFERRERS,
    Referrer,
    artifact_type,
    cosign_tag,
    referrers_tag,
)
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.concurrency import each
from .link_header import find_next_page
from .response_checks import closing, read_error

if TYPE_CHECKING:
    from ..http.messages import Response
    from ..model.digest import Digest
    from ..model.referrer import Origin as FoundBy
    from .repository_reader import Repository

_MAX_PAGES = 100
_MAX_BYTES = 64 * 1024 * 1024
# The responses of registries without the API; the specification requires 404.
_NO_API = frozenset({400, 404, 405, 501})


@dataclass(frozen=True, slots=True)
class Listing:
    """Referrers, sorted by digest. ``by_tag`` is whether they are those of the tag schema, not of the API."""

    descriptors: tuple[Descriptor, ...]
    by_tag: bool = False


@dataclass(frozen=True, slots=True)
class _Page:
    """A response of the API. ``next`` is the path of the next page, "" if there is none; ``size`` is in bytes."""

    descriptors: tuple[Descriptor, ...]
    next: str
    size: int


class ReferrerLister:
    """Lists what refers to manifests of one repository, and finds out once whether it has the referrers API."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._has_api: bool | None = None

    async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
        """Return what `list_referrers` finds; raises what it raises."""
        listing = await list_referrers(
            self._repository, digest, artifact_type, has_api=self._has_api is not False
        )  # fmt: skip
        # One that has listed something has the API, even if it says 404 for another digest.
        self._has_api = self._has_api or not listing.by_tag
        origin: FoundBy = "tag schema" if listing.by_tag else "referrers API"
        tag = referrers_tag(digest) if listing.by_tag else ""
        # Without content that is embedded, of which there may be much.
        return tuple(Referrer(replace(one, data=None), one.artifact_type, origin, tag) for one in listing.descriptors)

    async def cosign_tags(self, digest: Digest) -> tuple[Referrer, ...]:
        """Return the images with cosign's tags for ``digest``.

        Raises `NetworkError`, `InvalidContent` and `Unsupported`.
        """
        found: dict[str, Referrer] = {}

        async def look_up(suffix: str) -> None:
            tag = cosign_tag(digest, suffix)
            manifest = await read_tagged(self._repository, tag)
            if manifest is not None:
                descriptor = replace(manifest.descriptor, annotations=manifest.annotations)
                found[suffix] = Referrer(descriptor, artifact_type(manifest), "cosign tag", tag)

        await each(COSIGN_SUFFIXES, look_up, at_once=len(COSIGN_SUFFIXES))
        return tuple(found[suffix] for suffix in COSIGN_SUFFIXES if suffix in found)


async def list_referrers(
    repository: Repository, digest: Digest, artifact_type: str = "", *, has_api: bool = True
) -> Listing:
    """Return the descriptors of the manifests whose subject is ``digest`` ("Listing Referrers").

    Of a registry without that API it is the index with the tag that is made of the digest ("Referrers Tag Schema");
    ``has_api`` False reads that at once. With ``artifact_type``, the API is asked for those of that type; a registry
    need not support that, so others may be returned as well. Each request is retried.

    Raises `NetworkError`, `InvalidContent`, and `TooLarge` for more than 100 pages, 64 MiB or 10,000 referrers.
    """
    listing = None
    if has_api:
        listing = await _read_pages(repository, digest, artifact_type)
    if listing is None:
        listing = Listing(await _tagged_referrers(repository, digest), by_tag=True)
    if len(listing.descriptors) > MAX_REFERRERS:
        raise TooLarge(f"{_what(repository, digest)}: more than {MAX_REFERRERS}: given up", limit=MAX_REFERRERS)
    return replace(listing, descriptors=tuple(sorted(listing.descriptors, key=lambda one: one.digest)))


async def _read_pages(repository: Repository, digest: Digest, artifact_type: str) -> Listing | None:
    """Return what the API lists, None if the registry does not have it."""
    what, size = _what(repository, digest), 0
    page = f"/v2/{repository.reference.repository}/referrers/{quote(str(digest), safe=':')}"
    if artifact_type:
        page += f"?artifactType={quote(artifact_type, safe='')}"
    found: dict[Digest, Descriptor] = {}
    for number in range(_MAX_PAGES):
        try:
            read = await repository.session.retry(partial(_read_page, repository, page, artifact_type, what), what)
        except (NotFound, RegistryError) as error:
            # After the first page, an error does not say that there is no such API.
            if number or (isinstance(error, RegistryError) and error.status not in _NO_API):
                raise
            return None
        found |= {one.digest: one for one in read.descriptors}
        size += read.size
        if size > _MAX_BYTES or len(found) > MAX_REFERRERS:
            limit = _MAX_BYTES if size > _MAX_BYTES else MAX_REFERRERS
            unit = " bytes" if size > _MAX_BYTES else ""
            raise TooLarge(f"{what}: more than {limit}{unit}: given up", limit=limit)
        page = read.next
        if not page:
            return Listing(tuple(found.values()))
    raise TooLarge(f"{what}: more than {_MAX_PAGES} pages: given up", limit=_MAX_PAGES)


def _what(repository: Repository, digest: Digest) -> str:
    return f"listing referrers of {digest} in {repository.name}"


async def _read_page(repository: Repository, page: str, artifact_type: str, what: str) -> _Page:
    session = repository.session
    response = await session.request("GET", page, {"Accept": mediatype.OCI_INDEX})
    if response.status_code != 200:
        raise await read_error(session, response, what)
    async with closing(response):
        raw = await read_bounded(response, MANIFEST_LIMIT, what)
    content_type = mediatype.essence(response.headers.get("content-type", ""))
    if content_type == "text/html":
        raise InvalidContent(f"{what}: the registry sent {content_type}, want {mediatype.OCI_INDEX}")
    entries = _entries(raw, what)
    applied = ",".join(response.headers.get_list("oci-filters-applied")).split(",")
    if artifact_type and "artifactType" in map(str.strip, applied):
        entries = tuple(replace(one, artifact_type=one.artifact_type or artifact_type) for one in entries)
    return _Page(entries, _next_page(response, session.origin, what), len(raw))


def _next_page(response: Response, registry: Origin, what: str) -> str:
    url = find_next_page(response.headers.get_list("link"), response.url).url
    if not url:
        return ""
    if Origin.of(url).host != registry.host:
        raise UnsafeAddress(f"{what}: the next page is on {Origin.of(url)}: refused")
    return urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl()


async def _tagged_referrers(repository: Repository, digest: Digest) -> tuple[Descriptor, ...]:
    tag = referrers_tag(digest)
    found = await _read_tag(repository, tag)
    if found is None or is_itself(found[0], digest):
        return ()
    return _entries(found[0], f"reading the referrers in {repository.name}:{tag}")


def is_itself(raw: bytes, digest: Digest) -> bool:
    """Return whether the manifest ``raw`` with the tag of the tag schema for ``digest`` is that one itself.

    There are registries that take ``sha256-HEX`` for another notation of ``sha256:HEX``.
    """
    return digest.verifiable and content_digest(raw, digest.algorithm) == digest


async def read_tagged(repository: Repository, tag: str) -> Manifest | None:
    """Return the manifest with a tag, None if there is none. Raises `NetworkError`, `InvalidContent`, `Unsupported`."""
    found = await _read_tag(repository, tag)
    return None if found is None else repository.parse_manifest(found, expected=None)


async def _read_tag(repository: Repository, tag: str) -> tuple[bytes, str] | None:
    try:
        return await repository.manifest(tag)
    except NotFound:
        return None
    except RegistryError as error:
        if error.status != 404:
            raise
        return None


def _entries(raw: bytes, what: str) -> tuple[Descriptor, ...]:
    try:
        index = Manifest.parse(raw, content_type=mediatype.OCI_INDEX)
    except ContentMismatch:
        raise
    except (InvalidContent, Unsupported) as error:
        raise InvalidContent(f"{what}: {to_printable(error)}") from error
    if not index.is_index:
        raise InvalidContent(f"{what}: it is no index")
    return index.manifests
