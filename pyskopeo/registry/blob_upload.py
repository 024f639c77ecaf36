"""Push blobs (distribution specification 1.1, "Push"): find or mount them, or upload them with retries.

A blob is uploaded while it is read. HEAD and mounts are questions: whether a blob can be written is decided by the
response to its upload. After a broken connection the number of bytes at the registry is requested, and the
upload is resumed there; if the registry refuses large bodies, the upload is chunked. `UploadState` decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..errors import PyskopeoError
from ..model.events import Placement
from ..streams.progress import note_kept
from .own_mounts import OwnMounts
from .response_checks import ask
from .upload_attempt import UploadAttempt
from .upload_session import UploadSession
from .upload_state import ONE_REQUEST_SIZE, Step, UploadState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..http.retry import Retry
    from ..interfaces import Fill
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.events import Report
    from ..model.reference import Reference
    from ..streams.progress import Progress
    from ..streams.pump import Blob
    from .session import Session
    from .upload_session import UploadRecord, UploadRecords


class BlobUploads:
    """Writes blobs to one repository, several of them concurrently.

    With the result of ``records``, which is called for the first large blob, an upload that is interrupted is continued
    by the next run that pushes the same blob.
    """

    def __init__(
        self,
        reference: Reference,
        session: Session,
        retry: Retry,
        report: Report,
        records: Callable[[], UploadRecords | None] = lambda: None,
    ) -> None:
        """``retry`` is the policy for each blob's upload; ``report`` gets `Retrying`."""
        self._reference, self._records = reference, records
        self._session, self._retry, self._report = session, retry, report
        # Until the registry has declined a mount, a blob is mounted without asking first whether it exists: both
        # are one request.
        self._mount_first = True
        self._own_mounts = OwnMounts(reference.repository)
        # Until the registry has refused a body without a length.
        self._endable = True

    async def has(self, descriptor: Descriptor) -> bool:
        """HEAD a blob: return whether the registry has it.

        An error response counts as no; if it is more than that, the upload will fail with its reason. Raises
        `ConnectionFailed`.
        """
        what = f"checking whether a blob {descriptor.digest} exists in {self._reference.name}"
        path = f"/v2/{self._reference.repository}/blobs/{quote(str(descriptor.digest), safe=':')}"

        async def once() -> bool:
            response = await self._session.request("HEAD", path, {})
            await response.aclose()
            if response.status_code >= 400:
                raise await self._session.response_error(response, b"", what)
            length = response.headers.get("content-length", "")
            return response.status_code == 200 and (not length or length == str(descriptor.size))

        return bool(await ask(self._session, once, what))

    async def put(self, blob: Blob, progress: Progress, repositories: Sequence[str]) -> Placement:
        """Find the blob, mount it from one of ``repositories`` of this registry, or upload it; return which it was.

        Raises `ContentMismatch`, the errors of the source, and `NetworkError`. After an error no upload is left open,
        except one that a later run can continue.
        """
        upload = self._new_upload(blob.descriptor.size)
        try:
            placement = await self._put(blob, upload, progress, repositories[0] if repositories else "")
        except BaseException as error:
            await upload.end(error)
            raise
        await upload.end()
        return placement

    async def _put(self, blob: Blob, upload: UploadSession, progress: Progress, source: str) -> Placement:
        descriptor = blob.descriptor
        mount_first = bool(source) and self._mount_first
        if mount_first and await self._mount(upload, descriptor.digest, source):
            return Placement.MOUNTED
        if await self._find(descriptor, upload, may_open=not source):
            await upload.cancel()
            return Placement.PRESENT
        if source and not mount_first and await self._mount(upload, descriptor.digest, source):
            return Placement.MOUNTED

        async def fill(attempt: UploadAttempt) -> Descriptor:
            await blob.copy_to(attempt, progress)
            return descriptor

        if (record := self._open_record(descriptor)) is not None:
            upload.state.endable = self._endable
            await upload.continue_recorded(record)
        begun = upload.state.offset
        await self._write(upload, fill, descriptor)
        if upload.state.continued:
            note_kept(progress, begun)
        self._endable = self._endable and (record is None or upload.state.endable)
        self._own_mounts.written(descriptor.digest)
        return Placement.WRITTEN

    async def _find(self, descriptor: Descriptor, upload: UploadSession, *, may_open: bool) -> bool:
        """Return whether the registry has a blob; if not, ``upload`` may be open with ``may_open``."""
        if may_open and await self._own_mounts.usable(upload, descriptor.digest):
            # A registry may claim to have mounted any blob. After many absent ones, one that is there is worth a HEAD.
            present = await self._own_mounts.find(upload, descriptor.digest) and await self.has(descriptor)
        else:
            present = await self.has(descriptor)
        self._own_mounts.looked_up(present=present)
        return present

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        """Upload what ``fill`` writes, content whose size and digest are unknown before; return its descriptor.

        Raises the errors of ``fill``, and `NetworkError`. After an error no upload is left open.
        """
        upload = self._new_upload(None)
        try:
            return await self._write(upload, fill, None), Placement.WRITTEN
        except BaseException as error:
            await upload.end(error)
            raise

    def _new_upload(self, size: int | None) -> UploadSession:
        return UploadSession(self._reference, self._session, UploadState(size, self._retry.times))

    def _open_record(self, descriptor: Descriptor) -> UploadRecord | None:
        """Return the record for a large blob, None without one."""
        if descriptor.size <= ONE_REQUEST_SIZE or (records := self._records()) is None:
            return None
        return records.open(self._reference.registry, self._reference.repository, descriptor.digest)

    async def _mount(self, upload: UploadSession, digest: Digest, source: str) -> bool:
        """Return whether the registry mounted the blob. If it declined, ``upload`` may be open instead."""
        mounted = await upload.mount(digest, source)
        self._mount_first = self._mount_first and mounted
        return mounted

    async def _write(
        self,
        upload: UploadSession,
        fill: Callable[[UploadAttempt], Awaitable[Descriptor]],
        descriptor: Descriptor | None,
    ) -> Descriptor:
        """Upload what ``fill`` writes, with retries, and return its descriptor.

        ``descriptor`` is the blob's, None if it is known only when the blob has been written.
        """
        digest = descriptor.digest if descriptor else None
        what = f"writing blob {digest or 'made on the way'} to {self._reference.name}"
        state = upload.state
        while True:
            attempt = UploadAttempt(upload, digest, what)
            try:
                return await attempt.run(fill)
            except PyskopeoError as error:
                if not attempt.failed_here(error):
                    raise
                step = state.failed(error, opened=bool(upload.location))
                if step is Step.RAISE:
                    raise
                if step is Step.PAUSE:
                    await self._retry.pause(error, state.failures - 1, what, self._report)
            if step is not Step.REPEAT:
                await upload.resume()
                if descriptor is not None and not upload.location and await self.has(descriptor):
                    return descriptor  # only the response to the last request was lost
