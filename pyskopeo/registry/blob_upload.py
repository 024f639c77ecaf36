"""Pushing blobs (distribution specification 1.1, "Push"): mounts, uploads, and going on after a cut.

A blob is streamed while it is being read. After a cut the registry is asked how far it came, and the
rest follows; a registry that takes no large bodies gets pieces.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import anyio

from ..errors import InvalidContent, PyskopeoError, RegistryError
from ..http.httpx_import import httpx
from ..http.loop_bridge import finishing
from ..interfaces import Blob, Fill
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Placement, Report
from ..model.reference import Reference
from ..streams.pump import Progress
from .response_checks import refused
from .session import Session, TokenExpired
from .upload_attempt import Sending, Upload, range_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..http.retry import Retry

# Where a registry refuses a body as too large: pieces of this size, halved down to the smallest.
_PIECE = 32 * 1024 * 1024
_SMALLEST_PIECE = 1024 * 1024
# How long an upload that is not wanted any more may take to be opened or cancelled.
_CANCEL_SECONDS = 0.6
# Progress of this much makes the next cut a first one again.
_FRESH_START = 64 * 1024
# How many tokens may expire during one blob.
_MOST_TOKENS = 20


class BlobUploads:
    """Writes blobs to one repository; several at once."""

    def __init__(self, reference: Reference, session: Session, retry: Retry, report: Report) -> None:
        self._name = reference.name
        self._session, self._retry, self._report = session, retry, report
        self._base = f"/v2/{reference.repository}/blobs"
        # Until the registry has once declined, a mount costs no more than the question whether it is there.
        self._mounts = True

    async def has(self, descriptor: Descriptor) -> bool:
        """HEAD: whether the registry has the blob. A refusal is no answer; writing will bring the reason."""
        what = f"checking whether a blob {descriptor.digest} exists in {self._name}"

        async def once() -> bool:
            response = await self._session.request("HEAD", self._path(descriptor.digest), {})
            await response.aclose()
            if response.status_code in (408, 425, 429) or response.status_code >= 500:
                raise await self._session.explain(response, b"", what)
            length = response.headers.get("content-length", "")
            return response.status_code == 200 and (not length or length == str(descriptor.size))

        return await self._session.retry(once, what)

    async def put(self, blob: Blob, progress: Progress, repositories: Sequence[str]) -> Placement:
        """Have the blob here: found, mounted from one of ``repositories`` of this registry, or uploaded.

        Raises `ContentMismatch`, what the source raises, and `NetworkError`. After an error no upload is left open.
        """
        upload = Upload(blob.descriptor.size)
        try:
            return await self._put(blob, upload, progress, repositories[0] if repositories else "")
        except BaseException:
            await self._cancel(upload)
            raise

    async def _put(self, blob: Blob, upload: Upload, progress: Progress, source: str) -> Placement:
        descriptor = blob.descriptor
        asked = bool(source) and self._mounts
        if asked and await self._mount(upload, descriptor.digest, source):
            return Placement.MOUNTED
        if await self.has(descriptor):
            await self._cancel(upload)
            return Placement.PRESENT
        if source and not asked and await self._mount(upload, descriptor.digest, source):
            return Placement.MOUNTED
        counted = _Counted(progress)

        async def fill(sending: Sending) -> Descriptor:
            counted.begin()
            await blob.copy_to(sending, counted)
            return descriptor

        await self._write(upload, fill, descriptor)
        return Placement.WRITTEN

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        """Upload what ``fill`` writes; its size and digest are known when it is written."""
        upload = Upload(None)
        try:
            return await self._write(upload, fill, None), Placement.WRITTEN
        except BaseException:
            await self._cancel(upload)
            raise

    async def _write(
        self, upload: Upload, fill: Callable[[Sending], Awaitable[Descriptor]], known: Descriptor | None
    ) -> Descriptor:
        digest = known.digest if known else None
        what = f"writing blob {digest or 'made on the way'} to {self._name}"
        failures = reached = expired = 0
        while True:
            sending = Sending(upload, self._session, partial(self._start, digest), what)
            try:
                return await sending.run(fill)
            except PyskopeoError as error:
                if not sending.is_to_blame(error):
                    raise
                if isinstance(error, TokenExpired) and expired < _MOST_TOKENS:
                    expired += 1
                    continue  # refused before anything was taken: the upload is as it was
                if not _shrink(upload, error):
                    if not _passing(error, upload) or failures >= self._retry.times:
                        raise
                    await self._retry.pause(error, failures, what, self._report)
                    failures += 1
                await self._resume(upload)
                if known is not None and not upload.location and await self.has(known):
                    return known  # what was lost is the answer
                if upload.offset >= reached + _FRESH_START:
                    failures, reached = 0, upload.offset

    async def _mount(self, upload: Upload, digest: Digest, source: str) -> bool:
        """Ask for a mount. Whoever declines has opened an upload instead, which ``upload`` then is."""
        query = {"mount": str(digest), "from": source}
        try:
            mounted = await finishing(partial(self._post, upload, query, f"repository:{source}:pull"), _CANCEL_SECONDS)
        except RegistryError as error:
            # Some registries fail at nothing but mounts, each time.
            if error.temporary and error.status != 500:
                raise
            self._mounts = False
            return False
        self._mounts = self._mounts and mounted
        return mounted

    async def _start(self, digest: Digest | None, upload: Upload) -> None:
        """Open an upload where none is open."""
        if upload.location:
            return
        query = {"digest-algorithm": digest.algorithm} if digest and digest.algorithm != "sha256" else {}
        upload.offset = 0
        await finishing(partial(self._post, upload, query), _CANCEL_SECONDS)

    async def _post(self, upload: Upload, query: dict[str, str], also: str = "") -> bool:
        """Open an upload, or mount instead; True if that was done."""
        what = f"initiating an upload to {self._name}"
        path = f"{self._base}/uploads/" + (f"?{urlencode(query, safe=':/')}" if query else "")

        async def once() -> bool:
            response = await self._session.request("POST", path, {"Content-Length": "0"}, also=also)
            if response.status_code not in (201, 202):
                raise await refused(self._session, response, what)
            await response.aclose()
            if "mount" in query and response.status_code == 201:
                return True
            self._opened(upload, response)
            return False

        return await self._session.retry(once, what)

    def _opened(self, upload: Upload, response: httpx.Response) -> None:
        upload.location = self._session.located(response)
        if not upload.location:
            raise InvalidContent(f"{self._name}: the registry opened an upload and did not say where (no Location)")
        shortest = response.headers.get("oci-chunk-min-length", "")
        if shortest.isascii() and shortest.isdigit() and len(shortest) < 13:
            upload.shortest = int(shortest)

    async def _resume(self, upload: Upload) -> None:
        """Ask how far an upload came; if that cannot be said, it is to start anew."""
        location, upload.offset = upload.location, 0
        if not location or upload.size is None or upload.broken:
            await self._cancel(upload)
            return
        with suppress(PyskopeoError):
            response = await self._session.request("GET", location, {})
            await response.aclose()
            end = range_end(response)
            # Of more than was sent it is not known what it is.
            if response.status_code in (200, 202, 204) and end is not None and 0 < end <= upload.sent:
                upload.location = self._session.located(response, location)
                upload.offset, upload.resumed = end, True
                return
        await self._cancel(upload)

    async def _cancel(self, upload: Upload) -> None:
        """DELETE an upload that is not wanted any more; whether that works matters to the registry only."""
        location, upload.location = upload.location, ""
        upload.offset = upload.sent = 0
        upload.resumed = upload.broken = False
        if location:
            with anyio.move_on_after(_CANCEL_SECONDS, shield=True), suppress(PyskopeoError):
                await (await self._session.request("DELETE", location, {})).aclose()

    def _path(self, digest: Digest) -> str:
        return f"{self._base}/{quote(str(digest), safe=':')}"


class _Counted:
    """Progress that does not count again what is read again."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._read = self._told = 0

    def begin(self) -> None:
        self._read = 0

    def __call__(self, count: int) -> None:
        self._read += count
        if self._read > self._told:
            self._progress(self._read - self._told)
            self._told = self._read


def _shrink(upload: Upload, error: PyskopeoError) -> bool:
    """Whether smaller pieces may do where a body was too large."""
    if not isinstance(error, RegistryError) or error.status != 413 or upload.size is None:
        return False
    smallest = max(_SMALLEST_PIECE, upload.shortest)
    if upload.piece is not None and upload.piece <= smallest:
        return False
    piece = max(smallest, min(_PIECE, (upload.piece or upload.size) // 2))
    upload.piece, upload.broken = piece, True
    return True


def _passing(error: PyskopeoError, upload: Upload) -> bool:
    """Whether another attempt may succeed; a session the registry has lost is to start anew, as is one
    that went on where the registry said, and is not what it should be in the end."""
    if isinstance(error, RegistryError) and upload.location:
        if error.status == 416:
            return True
        upload.broken = error.status == 404 or (error.status == 400 and upload.resumed)
    return upload.broken or error.temporary
