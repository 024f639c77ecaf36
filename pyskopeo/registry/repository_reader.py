"""The distribution specification's calls for reading one repository (version 1.1, "Pull")."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from ..errors import InvalidContent, UnsafeAddress
from ..http.origin import Origin, join
from ..http.read_bounded import read_bounded
from ..http.retry import Call
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.reference import Reference, is_tag
from ..model.strict_json import MANIFEST_LIMIT, parse_object
from .content_range import starts_at
from .response_checks import as_digest, check_stated_digest, closing, head_manifest, refused
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..http.retry import Retry
    from ..model.events import Report

T = TypeVar("T")
_LONGEST_LINK = 16 * 1024
_TAGS_LIMIT = 8 * 1024 * 1024
_MOST_PAGES = 10_000
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next"?', re.ASCII)


class Repository:
    """One repository of one registry, for reading.

    ``retry`` is the policy for its calls, ``report`` gets `Retrying`. Calls raise `NetworkError`, `NotFound` and
    `InvalidContent`.
    """

    def __init__(self, reference: Reference, session: Session, retry: Retry, report: Report) -> None:
        self.reference, self.retry = reference, retry
        self.session, self._report = session, report
        self._base = f"/v2/{reference.repository}"

    def manifest(self, name: str) -> Call[tuple[bytes, str]]:
        """GET a manifest by tag or digest: its bytes and content type, at most 4 MiB.

        The bytes are checked against ``Docker-Content-Digest``; against a digest that was asked
        for, the caller checks them.
        """
        what = f"reading manifest {name} in {self.reference.name}"
        return self._call(what, partial(self._manifest, f"{self._base}/manifests/{name}", what))

    def resolve(self, name: str) -> Call[Digest | None]:
        """HEAD a manifest: the digest the registry states for a tag, None if it states none."""
        what, path = f"resolving {name} in {self.reference.name}", f"{self._base}/manifests/{name}"
        return self._call(what, partial(head_manifest, self.session, path, what))

    def blob_size(self, digest: Digest) -> Call[int]:
        """HEAD a blob: its size in bytes, which must be stated."""
        what = f"asking for the size of blob {digest} in {self.reference.name}"
        return self._call(what, partial(self._blob_size, self.blob_path(digest), what))

    def tags(self) -> Call[list[str]]:
        """GET all tags, in the registry's order (distribution specification, "Listing Tags")."""
        what = f"listing tags of {self.reference.name}"
        # Each page is retried, not the list.
        return Call(what, partial(self._tags, what), replace(self.retry, times=0), self._report)

    def _call(self, what: str, once: Callable[[], Coroutine[Any, Any, T]]) -> Call[T]:
        return Call(what, once, self.retry, self._report)

    async def _manifest(self, path: str, what: str) -> tuple[bytes, str]:
        response = await self.session.request("GET", path, {"Accept": ", ".join(mediatype.ACCEPT)})
        if response.status_code != 200:
            raise await refused(self.session, response, what)
        async with closing(response):
            raw = await read_bounded(response, MANIFEST_LIMIT, what)
        check_stated_digest(response, raw, what)
        return raw, response.headers.get("content-type", "")

    async def _blob_size(self, path: str, what: str) -> int:
        response = await self.session.request("HEAD", path, {})
        async with closing(response):
            if response.status_code != 200:
                raise await self.session.explain(response, b"", what)
            length = response.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            raise InvalidContent(f"{what}: the registry does not say")
        return int(length)

    async def _tags(self, what: str) -> list[str]:
        found: list[str] = []
        url, seen = f"{self._base}/tags/list", set[str]()
        while url:
            if url in seen or len(seen) >= _MOST_PAGES:
                raise InvalidContent(f"{what}: the pages of the list lead in a circle")
            seen.add(url)
            page, url = await self._call(what, partial(self._tag_page, url, what))
            found += page
        return found

    async def _tag_page(self, path: str, what: str) -> tuple[list[str], str]:
        response = await self.session.request("GET", path, {"Accept": "application/json"})
        if response.status_code != 200:
            raise await refused(self.session, response, what)
        async with closing(response):
            raw = await read_bounded(response, _TAGS_LIMIT, what)
        listed = parse_object(raw, what, _TAGS_LIMIT).get("tags") or []
        if not isinstance(listed, list) or not all(isinstance(tag, str | None) for tag in listed):
            raise InvalidContent(f"{what}: tags is not a list of strings")
        tags = [tag for tag in listed if _is_tag(tag, what)]
        link = _NEXT.search(response.headers.get("link", "")[:_LONGEST_LINK])
        return tags, self._next_path(path, link[1], what) if link else ""

    def _next_path(self, path: str, link: str, what: str) -> str:
        """Return where the next page is, which must be on the registry's own host.

        Registries behind a proxy give their inner scheme and port; only the host has to be right.
        """
        base = self.session.base
        target = join(f"{base}{path}", link)
        if Origin.of(target).host != base.host:
            raise UnsafeAddress(f"{what}: the next page is on {Origin.of(target)}: refused")
        return urlsplit(target)._replace(scheme="", netloc="", fragment="").geturl()

    async def blob_ending(self, descriptor: Descriptor, count: int) -> bytes:
        """GET the last ``count`` bytes of a blob, not verified; none if the registry does not send just these."""
        what, start = f"reading the end of blob {descriptor.digest} in {self.reference.name}", descriptor.size - count
        path = self.blob_path(descriptor.digest)
        response = await self.session.request("GET", path, {"Range": f"bytes={start}-"})
        async with closing(response):
            alone = response.status_code == 206 and starts_at(response, start, descriptor.size)
            return await read_bounded(response, count, what) if alone else b""

    def blob_path(self, digest: Digest) -> str:
        """Return the path of a blob below the registry's origin."""
        return f"{self._base}/blobs/{quote(str(digest), safe=':')}"


def _is_tag(text: str | None, what: str) -> bool:
    """Whether ``text`` is a tag. Null and digests are skipped, as skopeo does: some registries list them.

    Raises `InvalidContent` for anything else.
    """
    if text and is_tag(text):
        return True
    if text and as_digest(text) is None:
        raise InvalidContent(f"{what}: {ascii(text)[:140]} is not a tag")
    return False
