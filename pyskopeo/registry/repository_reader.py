"""The distribution specification's calls for reading one repository (version 1.1, "Pull")."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ..errors import InvalidContent, NetworkError, NotFound, PyskopeoError, RegistryError, UnsafeAddress
from ..http.httpx_import import httpx
from ..http.origin import Origin, join
from ..http.read_bounded import read_bounded
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.reference import Reference, is_tag
from ..model.strict_json import MANIFEST_LIMIT, parse_object
from .blob_download import starts_at
from .response_checks import as_digest, check_stated_digest, closing, head_manifest, refused
from .session import Session

if TYPE_CHECKING:
    from ..http.retry import Retry

_LONGEST_LINK = 16 * 1024
_TAGS_LIMIT = 8 * 1024 * 1024
_MOST_PAGES = 10_000
_MOST_URLS = 10
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next"?', re.ASCII)


class Repository:
    """One repository of one registry, for reading; ``retry`` is the patience that whoever reads its blobs has."""

    def __init__(self, reference: Reference, session: Session, retry: Retry) -> None:
        self.reference = reference
        self._session = session
        self.retry = retry
        self._base = f"/v2/{reference.repository}"

    async def manifest(self, name: str) -> tuple[bytes, str]:
        """GET a manifest by tag or digest: its bytes and content type, at most 4 MiB.

        The bytes are checked against ``Docker-Content-Digest``; against a digest that was asked
        for, the caller checks them. Raises `NotFound`, `RegistryError`, `ContentMismatch`.
        """
        what = f"reading manifest {name} in {self.reference.name}"

        async def once() -> tuple[bytes, str]:
            response = await self._get(f"{self._base}/manifests/{name}", what, accept=", ".join(mediatype.ACCEPT))
            async with closing(response):
                raw = await read_bounded(response, MANIFEST_LIMIT, what)
            check_stated_digest(response, raw, what)
            return raw, response.headers.get("content-type", "")

        return await self._session.retry(once, what)

    async def resolve(self, name: str) -> Digest | None:
        """HEAD a manifest: the digest the registry gives for a tag, None when it gives none."""
        what, path = f"resolving {name} in {self.reference.name}", f"{self._base}/manifests/{name}"
        return await self._session.retry(partial(head_manifest, self._session, path, what), what)

    async def blob_size(self, digest: Digest) -> int:
        """HEAD a blob; raises `RegistryError`, and `InvalidContent` when no size is stated."""
        what = f"asking for the size of blob {digest} in {self.reference.name}"

        async def once() -> int:
            response = await self._session.request("HEAD", self._blob_path(digest), {})
            async with closing(response):
                if response.status_code != 200:
                    raise await self._session.explain(response, b"", what)
                length = response.headers.get("content-length", "")
            if not (length.isascii() and length.isdigit() and len(length) < 19):
                raise InvalidContent(f"{what}: the registry does not say")
            return int(length)

        return await self._session.retry(once, what)

    async def tags(self) -> list[str]:
        """All tags, every page; in the registry's order (distribution specification, "Listing Tags")."""
        found: list[str] = []
        url, seen = f"{self._base}/tags/list", set[str]()
        what = f"listing tags of {self.reference.name}"
        while url:
            if url in seen or len(seen) >= _MOST_PAGES:
                raise InvalidContent(f"{what}: the pages of the list lead in a circle")
            seen.add(url)
            page, url = await self._session.retry(partial(self._tag_page, url, what), what)
            found += page
        return found

    async def _tag_page(self, path: str, what: str) -> tuple[list[str], str]:
        response = await self._get(path, what, accept="application/json")
        async with closing(response):
            raw = await read_bounded(response, _TAGS_LIMIT, what)
        listed = parse_object(raw, what, _TAGS_LIMIT).get("tags") or []
        if not isinstance(listed, list) or not all(isinstance(tag, str | None) for tag in listed):
            raise InvalidContent(f"{what}: tags is not a list of strings")
        tags = [tag for tag in listed if _is_tag(tag, what)]
        link = _NEXT.search(response.headers.get("link", "")[:_LONGEST_LINK])
        return tags, self._next_path(path, link[1], what) if link else ""

    def _next_path(self, path: str, link: str, what: str) -> str:
        """Where the next page is, on the registry's own origin and nowhere else.

        Registries behind a proxy give their inner scheme and port; only the host has to be right.
        """
        base = self._session.base
        target = join(f"{base}{path}", link)
        if Origin.of(target).host != base.host:
            raise UnsafeAddress(f"{what}: the next page is on {Origin.of(target)}: refused")
        return urlsplit(target)._replace(scheme="", netloc="", fragment="").geturl()

    async def _get(self, path: str, what: str, *, accept: str) -> httpx.Response:
        response = await self._session.request("GET", path, {"Accept": accept})
        if response.status_code != 200:
            raise await refused(self._session, response, what)
        return response

    async def open_blob(self, descriptor: Descriptor, offset: int) -> httpx.Response:
        """GET a blob from an offset on; what the answer starts with is for `BlobReader` to see."""
        what = f"reading blob {descriptor.digest} in {self.reference.name}"
        path = self._blob_path(descriptor.digest)

        async def once() -> httpx.Response:
            headers = {"Range": f"bytes={offset}-"} if offset else {}
            response = await self._session.request("GET", path, headers)
            useless = response.status_code == 206 and not starts_at(response, offset, descriptor.size)
            if offset and (useless or response.status_code in (400, 403, 416)):
                # Presigned URLs and servers that know no ranges, or only think so: from the start, then skip.
                await response.aclose()
                response = await self._session.request("GET", path, {})
            if response.status_code not in ((200, 206) if offset else (200,)):
                raise await refused(self._session, response, what)
            return response

        try:
            return await self._session.retry(once, what)
        except PyskopeoError as error:
            missing = isinstance(error, NotFound) or (isinstance(error, RegistryError) and error.status == 404)
            if not (missing and descriptor.urls):
                raise
        return await self._open_foreign(descriptor, what)

    async def blob_ending(self, descriptor: Descriptor, count: int) -> bytes:
        """The last bytes of a blob, not verified; none where the registry does not give them alone."""
        what, start = f"reading the end of blob {descriptor.digest} in {self.reference.name}", descriptor.size - count
        path = self._blob_path(descriptor.digest)
        response = await self._session.request("GET", path, {"Range": f"bytes={start}-"})
        async with closing(response):
            alone = response.status_code == 206 and starts_at(response, start, descriptor.size)
            return await read_bounded(response, count, what) if alone else b""

    def _blob_path(self, digest: Digest) -> str:
        return f"{self._base}/blobs/{quote(str(digest), safe=':')}"

    async def _open_foreign(self, descriptor: Descriptor, what: str) -> httpx.Response:
        """A layer its registry does not have, from the URLs of its descriptor: hostile input, so
        https only, without credentials, and not on this machine or its network."""
        nowhere = f"{what}: neither the registry nor the manifest's URLs have it"
        failure: PyskopeoError = RegistryError(nowhere, status=404)
        for url in descriptor.urls[:_MOST_URLS]:
            try:
                if Origin.of(url).scheme != "https":
                    raise UnsafeAddress(f"{Origin.of(url)} is not https")
                response = await self._session.retry(partial(self._session.fetch_elsewhere, "GET", url), what)
            except (NetworkError, InvalidContent) as error:
                failure = error
                continue
            if response.status_code == 200:
                return response
            await response.aclose()
        raise failure


def _is_tag(text: str | None, what: str) -> bool:
    """Whether it is a tag. Nothing at all and digests are passed over, as skopeo does: some registries list them."""
    if text and is_tag(text):
        return True
    if text and as_digest(text) is None:
        raise InvalidContent(f"{what}: {ascii(text)[:140]} is not a tag")
    return False
