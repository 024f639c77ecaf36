"""Copy the images of a listing: skip those present at the destination, copy the others concurrently."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..engine.policy_check import needs_signatures
from ..engine.run import CopyOptions, copy
from ..errors import DestinationRefused, NotFound, PolicyRejected, PyskopeoError, RegistryError, first_error
from ..fast_dataclass import replace
from ..http.request_quota import RequestQuotas
from ..model.events import CopyFinished
from ..model.referrer import is_referrers_tag
from ..transports import parse_image_name
from .image_queue import ImageQueue
from .local_images import is_occupied, remove_leftovers, root_manifest
from .overwriting import NO_IMAGE_DIRECTORY, UnchangedOnly, check_source, is_replaceable, refused, source_identity
from .pinned_sources import is_pinned_by_plan, pinned_source
from .presence import PresenceCheck
from .record import Entry, Record
from .shared_blobs import SharedBlobs
from .stored_signatures import may_be_signed
from .sync_request import (
    ImageEvent,
    ImageFinished,
    ImageResult,
    ImageStarted,
    ImageWaiting,
    LogMessage,
    SyncFailed,
    SyncReport,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from ..access import Access
    from ..interfaces import ImageDestination, ImageReference
    from ..model.digest import Digest
    from ..model.events import Event
    from ..model.manifest import Manifest
    from ..storage.shared_files import RunFiles
    from .sync_request import ImageGroup, Listing, Status, SyncImage, SyncRequest, SyncSink

    Wrap: TypeAlias = Callable[[ImageDestination], ImageDestination]

_LAST_WRITES = 10.0  # seconds for writing down what was done when a run ends, or is interrupted


def _log_fields(image: SyncImage) -> tuple[tuple[str, str], ...]:
    return ("from", image.source), ("to", image.destination)


class SyncRun:
    """Copies the images of a listing, at most ``request.jobs`` concurrently.

    ``writing`` is the access of the destination, ``files`` what the images share, ``emit`` is called with every event.
    ``shared`` knows where blobs are that earlier runs have put there; None: nothing is known. ``record`` takes
    the place of the file that the request names.
    """

    def __init__(
        self, request: SyncRequest, listing: Listing, writing: Access, files: RunFiles, emit: SyncSink, *,
        shared: SharedBlobs | None = None, record: Record | None = None,
    ) -> None:  # fmt: skip
        self._request, self._listing, self._writing, self._emit = request, listing, writing, emit
        self._record = record or Record(request.record, lambda text: emit(LogMessage("warning", text)))
        self._presence = PresenceCheck(request, self._record, writing)
        self._shared, self._files = shared or SharedBlobs(), files
        self._unwritten: list[ImageResult] = []  # copied, but not in the index of the layout yet

    async def copy_all(self) -> None:
        """Copy every image that is not present; raise `SyncFailed` at the first failure, without ``keep_going``."""
        from anyio import create_task_group, move_on_after

        quotas = self._writing.network.retry.quotas or RequestQuotas()
        images = ImageQueue(self._images(), quotas, self._emit, waits=self._request.on_rate_limit == "wait")
        try:
            with first_error():
                async with create_task_group() as tasks:
                    for _ in range(min(self._request.jobs, len(self._listing.images))):
                        tasks.start_soon(self._copy_images, images)
            await self._write_indexes()
            if (record := self._request.record) is not None:
                self._files.remove_leftovers(record.parent, record.name)
        finally:
            # Not for ever: another process may hold the lock of the destination, and be stopped.
            with move_on_after(_LAST_WRITES, shield=True):
                await self._write_indexes()
                await self._record.save()
            self._files.remove_empty_directories()
            self._files.save()

    async def report_plan(self) -> None:
        """Report what would be copied; raise `SyncFailed` where something else is in the way, as `copy_all` does."""
        for group, position, image in self._images():
            what = f"Would have copied image ref {position}/{len(group.images)}"
            try:
                await self._occupant(image, parse_image_name(image.destination))
            except DestinationRefused as error:
                self._fail(ImageResult(image, "failed"), error)
                if not self._request.keep_going:
                    raise _failure(image, error) from error
            else:
                self._emit(LogMessage("info", what, _log_fields(image)))
                self._emit(ImageFinished(ImageResult(image, "planned", image.pinned)))

    def _images(self) -> Iterator[tuple[ImageGroup, int, SyncImage]]:
        """Yield every image with its group and its position there, from 1."""
        for group in self._listing.groups:
            for position, image in enumerate(group.images, 1):
                yield group, position, image

    async def _copy_images(self, images: ImageQueue) -> None:
        """Copy one image after another from a queue that several tasks share."""
        while (one := await images.next()) is not None:
            group, position, image = one
            self._emit(ImageStarted(image, position, len(group.images)))
            started = time.monotonic()
            try:
                with first_error():
                    result = await self._copy_image(group, image)
            except PyskopeoError as failure:
                if isinstance(failure, RegistryError) and failure.status == 429 and images.defer(one):
                    continue
                error = images.explained(one, _with_hint(image, failure))
                self._fail(ImageResult(image, "failed", seconds=round(time.monotonic() - started, 3)), error)
                if not self._request.keep_going:
                    raise _failure(image, error) from error
            else:
                await self._finish(replace(result, seconds=round(time.monotonic() - started, 3)))

    async def _finish(self, result: ImageResult) -> None:
        """Report a result; that an image was copied to a layout, when its index has it."""
        if self._request.destination_transport != "oci" or result.status == "present":
            self._emit(ImageFinished(result))
            return
        self._unwritten.append(result)
        if self._files.due and (error := await self._write_indexes()) and not self._request.keep_going:
            raise _failure(result.image, error) from error

    async def _write_indexes(self) -> PyskopeoError | None:
        """Write the indexes of layouts and report the images in them; return the error if that fails."""
        from anyio import get_cancelled_exc_class

        results, self._unwritten = self._unwritten, []
        try:
            await self._files.flush()
        except get_cancelled_exc_class():
            self._unwritten = [*results, *self._unwritten]
            raise
        except PyskopeoError as error:
            for result in results:
                self._fail(ImageResult(result.image, "failed", None, result.moved, result.seconds), error)
            return error
        for result in results:
            self._emit(ImageFinished(result))
        return None

    def _fail(self, result: ImageResult, error: PyskopeoError) -> None:
        """Report a failure; it is logged too if the run continues, since nothing is raised then."""
        self._emit(ImageFinished(replace(result, error=str(error))))
        if self._request.keep_going:
            self._emit(LogMessage("error", f'Error copying ref "{result.image.source}"', (("error", str(error)),)))

    async def _copy_image(self, group: ImageGroup, image: SyncImage) -> ImageResult:
        if image.present is not None and not self._request.signers:
            return ImageResult(image, "present", image.present, source_digest=image.pinned)
        source, destination = pinned_source(image), parse_image_name(image.destination)
        there, wrap = await self._occupant(image, destination)
        present = None
        if not self._request.signers and not needs_signatures(source, group.access):
            present = await self._presence.present_digest(image, source, destination, group.access, there)
        if present is not None and not self._wants_referrers and not self._takes_signatures(source, destination, group):
            await self._claim(image, present)
            remove_leftovers(destination, self._writing)
            return ImageResult(image, "present", present, source_digest=self._presence.source_of(image, present))

        def report(event: Event) -> None:
            if not isinstance(event, CopyFinished):  # ImageFinished says it
                self._emit(ImageEvent(image, event))

        result = await copy(
            source,
            destination,
            CopyOptions(
                self._request.selection_of(image), self._request.form, wrap=wrap, signers=self._request.signers,
                referrers=self._request.referrers,
            ),
            source_access=replace(group.access, report=self._writing.report),
            destination_access=self._writing,
            report=report,
        )
        options = self._presence.options(image)
        entry = Entry(source_identity(image.source), result.source_digest, result.digest, options)
        await self._record.put(self._presence.key(image), entry)
        status: Status = "present" if present == result.digest and not result.written_referrers else "copied"
        return ImageResult(image, status, result.digest, result.moved, source_digest=result.source_digest)

    def _takes_signatures(self, source: ImageReference, destination: ImageReference, group: ImageGroup) -> bool:
        """Return whether an image that is there has to be looked at: it may have signatures that it had not before."""
        return not self._request.form.remove_signatures and may_be_signed(source, destination, group.access)

    @property
    def _wants_referrers(self) -> bool:
        """Whether an image that is there has to be looked at: something may refer to it that did not before."""
        return self._request.referrers is not None and self._request.referrers.any

    async def _claim(self, image: SyncImage, present: Digest) -> None:
        """Record that what is at a local destination is the source's image, if nothing is recorded of it."""
        key = self._presence.key(image)
        if self._request.destination_transport != "docker" and self._record.get(key) is None:
            entry = Entry(source_identity(image.source), present, present, self._presence.options(image))
            await self._record.put(key, entry)

    async def _occupant(self, image: SyncImage, destination: ImageReference) -> tuple[Manifest | None, Wrap]:
        """Return the root manifest at a local destination, None without one, and how to wrap the destination.

        Raises `DestinationRefused` for a copy of another source.
        """

        def wrap(opened: ImageDestination) -> ImageDestination:
            return self._shared.wrap(opened, lambda blobs: self._emit(ImageWaiting(image, blobs)))

        if not is_occupied(destination, self._writing):
            return None, wrap
        entry = self._record.get(self._presence.key(image))
        check_source(image, destination, entry)
        present = await root_manifest(destination, self._writing)
        if present is None and entry is None and destination.transport == "dir":
            raise refused(destination, NO_IMAGE_DIRECTORY)
        if is_replaceable(present, entry):
            return present, wrap
        digest = None if present is None else present.digest
        return present, lambda opened: UnchangedOnly(wrap(opened), destination, digest)


def _with_hint(image: SyncImage, error: PyskopeoError) -> PyskopeoError:
    """Return an error that says what to do: about a tag which belongs to another image and is refused, or a plan."""
    if isinstance(error, NotFound) and is_pinned_by_plan(image):
        error.args = (f"{error}; it was planned with this digest, which is not there any more: make a new plan",)
        return error
    if not (isinstance(error, PolicyRejected) and image.whole):
        return error
    flag = "--referrers" if is_referrers_tag(image.source.rpartition(":")[2]) else "--cosign-tags"
    hint = f"{error}; {flag} copies what belongs to an image with it, and not as an image of its own"
    return PolicyRejected(hint, scope=error.scope, where=error.where)


def _failure(image: SyncImage, error: PyskopeoError) -> SyncFailed:
    """Return the error that ends a run; its exit code is that of the image's error."""
    message = f'Error copying ref "{image.source}": {error}'
    return SyncFailed(message, report=SyncReport((), 0), exit_code=error.exit_code)
