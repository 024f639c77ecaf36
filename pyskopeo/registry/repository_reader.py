"""Read one repository: manifests, tags, sizes of blobs (distribution specification 1.1, "Pull")."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from ..errors import InvalidContent, NotFound, PyskopeoError, RegistryError
from ..fast_dataclass import replace
from ..http.read_bounded import read_bounded
from ..http.retry import Call
from ..model import mediatype
from ..model.content_digest import content_digest
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.reference import Reference
from ..model.strict_json import MANIFEST_LIMIT
from .content_range import check_part, starts_at
from .layer_urls import request_from_urls
from .response_checks import as_digest, check_stated_digest, closing, head_manifest, read_error
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..http.messages import Response
    from ..http.retry import Retry
    from ..model.events import Report
    from .tag_pages import TagList

T = TypeVar("T")
# The statuses of registries that do not support HEAD, and of stores with URLs that are signed for GET alone.
_NO_HEAD = frozenset({400, 403, 405, 406, 500, 501})
# What a 404 means in a response to HEAD, which has no body ("Checking if content exists in the registry").
_NO_SUCH_BLOB = b'{"errors": [{"code": "BLOB_UNKNOWN"}]}'


class Repository:
    """One repository of one registry, for reading.

    ``retry`` is the retry policy of its calls, ``report`` gets `Retrying`. Calls raise `NetworkError`, `NotFound` and
    `InvalidContent`.
    """

    def __init__(self, reference: Reference, session: Session, retry: Retry, report: Report) -> None:
        self.reference, self.retry = reference, retry
        self.session, self._report = session, report
        self._base = f"/v2/{reference.repository}"

    def __str__(self) -> str:
        return str(self.reference)

    @property
    def name(self) -> str:
        """``registry/repository``."""
        return self.reference.name

    @property
    def range_host(self) -> str:
        """The host, and port, of the registry's API."""
        return self.reference.api_host

    def manifest(self, name: str) -> Call[tuple[bytes, str]]:
        """GET a manifest by tag or digest: its bytes, at most 4 MiB, and its content type.

        The bytes of a tag are checked against ``Docker-Content-Digest``. If ``name`` is a digest, the caller has to
        check them against it, as `parse_manifest` does, and a header that says otherwise is only reported.
        """
        what = f"reading manifest {name} in {self.reference.name}"
        return self._call(what, partial(self._manifest, name, what))

    def resolve(self, name: str) -> Call[Digest | None]:
        """HEAD a manifest: the digest in ``Docker-Content-Digest``, None if there is no such header."""
        what, path = f"resolving {name} in {self.reference.name}", f"{self._base}/manifests/{name}"
        return self._call(what, partial(head_manifest, self.session, path, what))

    def blob_size(self, digest: Digest) -> Call[int]:
        """HEAD a blob: its size in bytes; GET its head if HEAD is refused or does not state it.

        A registry that does not state it either way raises `InvalidContent`.
        """
        what = f"asking for the size of blob {digest} in {self.reference.name}"
        return self._call(what, partial(self._blob_size, self.blob_path(digest), what))

    def tags(self) -> Call[list[str]]:
        """GET all tags, in the registry's order, as `TagPages` reads them ("Listing Tags").

        A list that may go on is reported as a warning.
        """
        what = f"listing tags of {self.reference.name}"
        return self._call_once(what, partial(self._tags, what))

    def tag_list(self, *, manifests: bool = False) -> Call[TagList]:
        """GET all tags as `tags` does, and return what is known about missing ones, without a warning.

        With ``manifests`` also what the registry's list says about the manifests of the tags.
        """
        what = f"listing tags of {self.reference.name}"
        return self._call_once(what, partial(self._tag_list, what, manifests=manifests))

    def first_tags(self, count: int) -> Call[list[str]]:
        """GET one page of tags, with a request for ``count`` tags in it; not retried."""
        what = f"listing tags of {self.reference.name}"
        return self._call_once(what, partial(self._first_tags, count, what))

    def _call(self, what: str, once: Callable[[], Coroutine[Any, Any, T]]) -> Call[T]:
        return Call(what, once, self.retry, self._report)

    def _call_once(self, what: str, once: Callable[[], Coroutine[Any, Any, T]]) -> Call[T]:
        """Return a call without retries: each page of a list is retried by itself, so the list is not."""
        return Call(what, once, replace(self.retry, times=0), self._report)

    async def _manifest(self, name: str, what: str) -> tuple[bytes, str]:
        path = f"{self._base}/manifests/{name}"
        response = await self.session.request("GET", path, {"Accept": ", ".join(mediatype.ACCEPT)})
        if response.status_code != 200:
            raise await read_error(self.session, response, what)
        async with closing(response):
            raw = await read_bounded(response, MANIFEST_LIMIT, what)
        try:
            check_stated_digest(response, raw, what)
        except InvalidContent as error:
            wanted = as_digest(name)
            if wanted is None:
                pinned = f"{self.reference.name}@{content_digest(raw)}"
                error.args = (f"{error}; if these bytes are what you want, name them by their digest: {pinned}",)
                raise
            # The digest that was asked for counts for more than a header; the caller raises if the bytes are others.
            if content_digest(raw, wanted.algorithm) == wanted:
                self.session.warn_once(f"{error}; the digest that was asked for decides", "docker-content-digest")
        return raw, response.headers.get("content-type", "")

    def parse_manifest(
        self, response: tuple[bytes, str], *, expected: Digest | None, media_type: str = ""
    ) -> Manifest:
        """Parse what `manifest` returned; a warning is reported for a content type that the document contradicts.

        ``expected`` is the digest that was asked for, ``media_type`` the type in the parent's descriptor. Raises as
        `Manifest.parse`.
        """
        raw, content_type = response
        manifest = Manifest.parse(raw, content_type=media_type or content_type, expected=expected)
        if manifest.served_as:
            self.session.warn_once(
                f"{self.reference.name}: a manifest is said to be {manifest.served_as}, but it is "
                f"{manifest.media_type}: taken for what it is",
                "content-type",
            )
        return manifest

    async def _blob_size(self, path: str, what: str) -> int:
        for method in ("HEAD", "GET"):
            response = await self.session.request(method, path, {})
            async with closing(response):
                length = response.headers.get("content-length", "")
                if response.status_code == 200 and length.isascii() and length.isdigit() and len(length) < 19:
                    return int(length)
                if response.status_code != 200 and (method == "GET" or response.status_code not in _NO_HEAD):
                    body = _NO_SUCH_BLOB if response.status_code == 404 else b""
                    raise await self.session.response_error(response, body, what)
        raise InvalidContent(f"{what}: the registry does not say")

    async def _tags(self, what: str) -> list[str]:
        found = await self._tag_list(what)
        if found.problem:
            self.session.warn_once(f"{what}: {found.problem}")
        return found.tags

    async def _tag_list(self, what: str, *, manifests: bool = False) -> TagList:
        from .tag_pages import TagList, TagPages  # loaded only for lists of tags

        pages = TagPages(self.session, f"{self._base}/tags/list", what, keep_manifests=manifests)
        while pages.next:
            await self._call(what, pages.read)
        return TagList(pages.names, self.session.redactor.redact(pages.problem), pages.manifests)

    async def _first_tags(self, count: int, what: str) -> list[str]:
        from .tag_pages import TagPages

        pages = TagPages(self.session, f"{self._base}/tags/list?n={count}", what)
        await pages.read()
        return pages.names

    async def blob_ending(self, descriptor: Descriptor, count: int) -> bytes:
        """GET the last ``count`` bytes of a blob, not verified; no bytes if the registry does not serve the range.

        Not retried. Raises `NetworkError`.
        """
        what, start = f"reading the end of blob {descriptor.digest} in {self.reference.name}", descriptor.size - count
        path = self.blob_path(descriptor.digest)
        response = await self.session.request("GET", path, {"Range": f"bytes={start}-"})
        async with closing(response):
            served = response.status_code == 206 and starts_at(response, start, descriptor.size)
            return await read_bounded(response, count, what, truncate=True) if served else b""

    async def request_blob(
        self, descriptor: Descriptor, offset: int, what: str, until: int | None = None
    ) -> Response:
        """GET a blob from byte ``offset`` on, without retries: a 200 from byte 0 on, or a 206 from ``offset`` on.

        ``until`` is the end of the bytes that are needed, if that is not the end of the blob. If the server does not
        serve the range, the whole blob is requested. A blob that the registry does not have is requested at the URLs in
        its descriptor. ``what`` begins the messages of errors. Raises `NetworkError`.
        """
        with self.session.redactor.redacted_errors():
            return await self._request_blob(descriptor, offset, what, until)

    async def request_part(
        self, descriptor: Descriptor, start: int, end: int, etag: str, what: str
    ) -> Response:
        """GET the bytes from ``start`` up to ``end`` of a blob, without retries.

        ``etag`` is the strong entity tag of the blob, "" if it is not known. Raises `InvalidContent` for a response
        with any other bytes, as the whole blob, and `NetworkError`.
        """
        headers = {"Range": f"bytes={start}-{end - 1}"} | ({"If-Range": etag} if etag else {})
        with self.session.redactor.redacted_errors():
            response = await self.session.request("GET", self.blob_path(descriptor.digest), headers)
            if response.status_code not in (200, 206):
                raise await read_error(self.session, response, what)
            try:
                check_part(response, descriptor, start, end, etag)
            except InvalidContent:
                await response.aclose()
                raise
        return response

    async def _request_blob(
        self, descriptor: Descriptor, offset: int, what: str, until: int | None
    ) -> Response:
        session, path = self.session, self.blob_path(descriptor.digest)
        last = "" if until is None else until - 1
        ranged = bool(offset) or until is not None
        try:
            response = await session.request("GET", path, {"Range": f"bytes={offset}-{last}"} if ranged else {})
            wrong_range = response.status_code == 206 and not starts_at(response, offset, descriptor.size)
            if ranged and (wrong_range or response.status_code in (400, 403, 416)):
                # Presigned URLs that do not allow a Range, and servers that do not support ranges correctly.
                await response.aclose()
                response = await session.request("GET", path, {})
            # A cache may answer 206 to a request without Range, too.
            partial_content = response.status_code == 206 and (offset or starts_at(response, 0, descriptor.size))
            if response.status_code != 200 and not partial_content:
                raise await read_error(session, response, what)
        except PyskopeoError as error:
            missing = isinstance(error, NotFound) or (isinstance(error, RegistryError) and error.status == 404)
            if not (missing and descriptor.urls):
                raise
            return await request_from_urls(descriptor, session.request_external, what)
        return response

    def blob_path(self, digest: Digest) -> str:
        """Return the path of a blob's URL at the registry."""
        return f"{self._base}/blobs/{quote(str(digest), safe=':')}"

