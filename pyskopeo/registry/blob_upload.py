"""Pushing blobs (distribution specification 1.1, "Push"): found, mounted, or uploaded, and retried, in one place.

A blob is streamed while it is being read. After a cut the registry is asked how much it has, and the
rest follows; a registry that takes no large bodies gets pieces. `UploadState` decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..errors import PyskopeoError, RegistryError
from ..model.events import Placement
from .upload_attempt import UploadAttempt
from .upload_session import UploadSession
from .upload_state import Step, UploadState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..http.retry import Retry
    from ..interfaces import Fill
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.events import Report
    from ..model.reference import Reference
    from ..streams.pump import Blob, Progress
    from .session import Session


class BlobUploads:
    """Writes blobs to one repository; several at once."""

    def __init__(self, reference: Reference, session: Session, retry: Retry, report: Report) -> None:
        """``retry`` is the policy for each blob's upload; ``report`` gets `Retrying`."""
        self._reference = reference
        self._session, self._retry, self._report = session, retry, report
        # Until the registry has declined one, a mount costs no more than the question whether the blob is there.
        self._mounts = True

    async def has(self, descriptor: Descriptor) -> bool:
        """HEAD: whether the registry has the blob. A refusal means no; writing will give the reason."""
        what = f"checking whether a blob {descriptor.digest} exists in {self._reference.name}"
        path = f"/v2/{self._reference.repository}/blobs/{quote(str(descriptor.digest), safe=':')}"

        async def once() -> bool:
            response = await self._session.request("HEAD", path, {})
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
        upload = self._new_upload(blob.descriptor.size)
        try:
            return await self._put(blob, upload, progress, repositories[0] if repositories else "")
        except BaseException:
            await upload.cancel()
            raise

    async def _put(self, blob: Blob, upload: UploadSession, progress: Progress, source: str) -> Placement:
        descriptor = blob.descriptor
        asked = bool(source) and self._mounts
        if asked and await self._mount(upload, descriptor.digest, source):
            return Placement.MOUNTED
        if await self.has(descriptor):
            await upload.cancel()
            return Placement.PRESENT
        if source and not asked and await self._mount(upload, descriptor.digest, source):
            return Placement.MOUNTED

        async def fill(attempt: UploadAttempt) -> Descriptor:
            await blob.copy_to(attempt, progress)
            return descriptor

        await self._write(upload, fill, descriptor)
        return Placement.WRITTEN

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        """Upload what ``fill`` writes; its size and digest are known when it is written."""
        upload = self._new_upload(None)
        try:
            return await self._write(upload, fill, None), Placement.WRITTEN
        except BaseException:
            await upload.cancel()
            raise

    def _new_upload(self, size: int | None) -> UploadSession:
        return UploadSession(self._reference, self._session, UploadState(size, self._retry.times))

    async def _mount(self, upload: UploadSession, digest: Digest, source: str) -> bool:
        """Whether the registry mounted the blob. If it declined, ``upload`` may be open instead."""
        try:
            mounted = await upload.mount(digest, source)
        except RegistryError as error:
            # Some registries fail at nothing but mounts, each time.
            if error.temporary and error.status != 500:
                raise
            mounted = False
        self._mounts = self._mounts and mounted
        return mounted

    async def _write(
        self, upload: UploadSession, fill: Callable[[UploadAttempt], Awaitable[Descriptor]], known: Descriptor | None
    ) -> Descriptor:
        """Upload what ``fill`` writes, in as many attempts as it takes; ``known`` if it is known before."""
        digest = known.digest if known else None
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
                if known is not None and not upload.location and await self.has(known):
                    return known  # only the response to the last request was lost
