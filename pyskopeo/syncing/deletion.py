"""Delete what a sync has written and whose source is gone, after the images have been copied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DestinationRefused, PyskopeoError, Unsupported
from ..streams.concurrency import each
from ..transports import parse_image_name
from . import registry_queries
from .local_images import is_occupied, root_manifest
from .record import Record
from .source_contents import parse_source
from .surplus import SurplusImage, find_surplus
from .sync_request import ImageFinished, ImageResult, LogMessage, SyncFailed, SyncReport

if TYPE_CHECKING:
    from ..access import Access
    from ..model.reference import Reference
    from .source_contents import SourceContents
    from .sync_request import Listing, Status, SyncRequest, SyncSink

_ASKED_AT_ONCE = 8  # whether images are gone


async def delete_surplus(
    request: SyncRequest, listing: Listing, contents: SourceContents, writing: Access, emit: SyncSink
) -> None:
    """Delete images at the destination of a sync whose sources are gone, see `SurplusDeletion`; raises `SyncFailed`."""
    if request.record is None:
        emit(LogMessage("warning", "there is no record of what was copied: nothing is deleted"))
        return
    record = Record(request.record, lambda text: emit(LogMessage("warning", text)))
    await SurplusDeletion(request, listing, contents, writing, record=record, emit=emit).run()


class SurplusDeletion:
    """Deletes images at the destination of a sync whose sources are gone; in a dry run it only says which.

    ``writing`` is the access of the destination, ``record`` says what syncs have written there: nothing else is ever
    deleted. An image that is another one now, since somebody else has put it there, stays as well. ``emit`` is called
    with the result of each image.
    """

    def __init__(
        self, request: SyncRequest, listing: Listing, contents: SourceContents, writing: Access, *,
        record: Record, emit: SyncSink,
    ) -> None:  # fmt: skip
        self._request, self._contents, self._record = request, contents, record
        self._writing, self._emit = writing, emit
        self._listed = frozenset(image.destination for image in listing.images)

    async def run(self) -> None:
        """Delete the images; raise `SyncFailed`, and delete none, if there are more than the request allows.

        An image that could not be deleted is a failure of its own.
        """
        request, entries = self._request, self._record.entries
        found = find_surplus(
            entries, self._contents, self._listed, request.destination_transport, request.destination
        )  # fmt: skip
        gone = await self._confirmed(found)
        if request.dry_run:
            for one in gone:
                self._inform(f"Would delete {one.image.destination}: {one.image.source} is gone")
                self._finish(one, "obsolete")
        if not request.max_delete.allows(len(gone), len(entries)):
            place = request.destination
            raise SyncFailed(
                f"{len(gone)} of {len(entries)} images that were copied to {place} are gone at the source: "
                f"more than --max-delete {request.max_delete} allows: none of them was deleted",
                report=SyncReport((), 0),
            )
        if gone and not request.dry_run:
            if request.destination_transport == "docker":
                await self._delete_from_registries(gone)
            elif request.destination_transport == "oci":
                await self._delete_from_layout(gone)
            else:
                for one in gone:
                    await self._attempt(one, self._delete_directory)
            await self._record.save()

    async def _confirmed(self, found: Sequence[SurplusImage]) -> list[SurplusImage]:
        """Return the images of which the source's registry itself says that they do not exist: lists may be wrong."""
        gone: dict[str, SurplusImage] = {}

        async def ask(one: SurplusImage) -> None:
            reference = parse_source(one.entry.source)
            access = None if reference is None else self._contents.access_of(reference)
            if reference is None or access is None or await self._is_missing(one, reference, access):
                gone[one.key] = one

        await each(found, ask, at_once=_ASKED_AT_ONCE)
        return [one for one in found if one.key in gone]

    async def _is_missing(self, one: SurplusImage, reference: Reference, access: Access) -> bool:
        try:
            if await registry_queries.is_missing(reference, access):
                return True
            self._warn(f"{one.image.source} is not in the list of the source, but it is there: its copy stays")
        except PyskopeoError as error:
            self._warn(f"{one.image.source} is not in the list of the source, but that cannot be confirmed: {error}")
        return False

    def _inform(self, text: str) -> None:
        self._emit(LogMessage("info", text))

    def _warn(self, text: str) -> None:
        self._emit(LogMessage("warning", text))

    def _finish(self, one: SurplusImage, status: Status, error: str = "") -> None:
        self._emit(ImageFinished(ImageResult(one.image, status, one.entry.digest, error=error)))

    async def _attempt(self, one: SurplusImage, delete: Callable[[SurplusImage], Awaitable[bool]]) -> None:
        """Delete an image, and forget it; what fails is reported as its result."""
        try:
            if await delete(one):
                self._record.forget(one.key)
                self._inform(f"Deleted {one.image.destination}: {one.image.source} is gone")
                self._finish(one, "deleted")
        except (Unsupported, DestinationRefused) as error:
            self._warn(f"{one.image.destination} is gone at the source and stays: {error}")
        except PyskopeoError as error:
            self._emit(LogMessage("error", f'Error deleting "{one.image.destination}"', (("error", str(error)),)))
            self._finish(one, "failed", str(error))

    def _is_other(self, one: SurplusImage, now: object) -> bool:
        """Return whether an image is not the one that was copied; it is said that it stays."""
        if now == one.entry.digest:
            return False
        self._warn(
            f"{one.image.destination} is gone at the source, but is {now} now, and not {one.entry.digest} as it was "
            "copied: it stays"
        )
        return True

    async def _is_ours(self, one: SurplusImage) -> bool | None:
        """Return whether a local image is still the copy, None if there is none; raises `DestinationRefused`."""
        name = parse_image_name(one.image.destination)
        manifest = await root_manifest(name, self._writing)
        if manifest is None:
            if is_occupied(name, self._writing):
                raise DestinationRefused("it cannot be read, so that it is not known to be the copy")
            return None
        return not self._is_other(one, manifest.digest)

    async def _delete_from_layout(self, gone: Sequence[SurplusImage]) -> None:
        """Delete images of a layout, whose manifests are all read only once."""
        from ..storage.layout_deletion import delete_images

        ours: list[SurplusImage] = []

        async def look(one: SurplusImage) -> bool:
            found = await self._is_ours(one)
            if found:
                ours.append(one)
            return found is None

        for one in gone:
            await self._attempt(one, look)
        failures: list[PyskopeoError] = []
        try:
            if ours:
                names = [one.key for one in ours]
                await delete_images(
                    Path(self._request.destination), names, shared=self._writing.storage.shared_blobs
                )
        except PyskopeoError as error:
            failures.append(error)

        async def end(_: SurplusImage) -> bool:
            for error in failures:
                raise error
            return True

        for one in ours:
            await self._attempt(one, end)

    async def _delete_directory(self, one: SurplusImage) -> bool:
        """Delete the image in a directory; return whether it is gone."""
        from ..storage.directory_deletion import delete_directory_image
        from ..streams.cancellation import run_in_thread

        found = await self._is_ours(one)
        if found:
            path, root = Path(one.image.destination.removeprefix("dir:")), Path(self._request.destination)
            await run_in_thread(lambda: delete_directory_image(path, root))
        return found is not False

    async def _delete_from_registries(self, gone: Sequence[SurplusImage]) -> None:
        """Delete images of registries, each repository by itself."""
        by_repository: dict[str, list[tuple[SurplusImage, Reference]]] = {}
        for one in gone:
            reference = parse_image_name(one.image.destination).reference
            if reference is not None and reference.tag:
                by_repository.setdefault(reference.name, []).append((one, reference))
        await each(by_repository.values(), self._delete_from_repository, at_once=self._request.jobs)

    async def _delete_from_repository(self, gone: Sequence[tuple[SurplusImage, Reference]]) -> None:
        """Delete images of one repository: first all are looked at, since others than these keep what they share."""
        wanted, ours = self._request.referrers, []
        referrers = wanted is not None and bool(wanted.copied or wanted.cosign_tags)
        async with registry_queries.open_tag_removal(gone[0][1], self._writing, referrers=referrers) as removal:

            async def look(reference: Reference, one: SurplusImage) -> bool:
                now = await removal.digest_of(reference.tag, one.entry.digest.algorithm)
                if now is None:
                    return True
                if not self._is_other(one, now):
                    removal.announce(reference.tag)
                    ours.append((one, reference))
                return False

            async def remove(reference: Reference, one: SurplusImage) -> bool:
                await removal.remove(reference.tag, one.entry.digest)
                return True

            for one, reference in gone:
                await self._attempt(one, partial(look, reference))
            for one, reference in ours:
                await self._attempt(one, partial(remove, reference))
