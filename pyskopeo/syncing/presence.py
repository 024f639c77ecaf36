"""Whether an image is at the destination already: found out with as few questions as that takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import PyskopeoError, first_error
from . import remote
from .local import whole_image

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference
    from ..model.digest import Digest
    from ..model.reference import Reference
    from .record import Record
    from .request import SyncImage, SyncRequest


class Presence:
    """Compares what the sources' names stand for now with what is at the destination.

    An image in a directory or a layout costs at most one HEAD, to the source's registry; one in a
    registry a HEAD on either side. The images that an index there names are looked for besides,
    where all of them are to be there.
    """

    def __init__(self, request: SyncRequest, record: Record, writing: Access) -> None:
        self._request, self._record, self._writing = request, record, writing
        self._all = request.selection.mode == "all"
        platform = "all" if self._all else str(request.selection.platform)
        form = request.form
        self.how = " ".join(
            word for word in (platform, form.format, "preserve-digests" if form.preserve_digests else "") if word
        )

    def key(self, image: SyncImage) -> str:
        """What an image is called in the record: below the destination, which may be moved."""
        transport, _, details = image.destination.partition(":")
        if transport == "oci":
            return details.partition(":")[2]
        return os.path.relpath(details, self._request.destination) if transport == "dir" else details

    async def of(
        self, image: SyncImage, source: ImageReference, destination: ImageReference, reading: Access
    ) -> Digest | None:
        """Return the digest of what is there, if nothing would change; None where a copy has to look closer.

        ``source`` and ``destination`` are the parsed names of ``image``.
        """
        if destination.transport == "docker":
            assert destination.reference is not None
            return await self._in_registry(image, source, destination.reference, reading)
        there = await whole_image(destination, self._writing)
        if there is None or not self._may_do(image, there.digest, is_index=there.is_index):
            return None
        wanted = await self._source_digest(image, source, reading)
        return there.digest if self._same(image, wanted, there.digest, is_index=there.is_index) else None

    async def _in_registry(
        self, image: SyncImage, source: ImageReference, reference: Reference, reading: Access
    ) -> Digest | None:
        from anyio import create_task_group

        wanted: list[Digest | None] = []

        async def ask_source() -> None:
            wanted.append(await self._source_digest(image, source, reading))

        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(ask_source)
                there = await remote.head(reference, self._writing)
        if there is None or not self._same(image, wanted[0], there.digest, is_index=there.is_index):
            return None
        if there.is_index and not await remote.holds_all_of(reference, there.digest, self._writing):
            return None
        return there.digest

    async def _source_digest(self, image: SyncImage, source: ImageReference, reading: Access) -> Digest | None:
        """Return what the source's name refers to now; None where that is not known without reading it all."""
        if image.pinned is not None:
            return image.pinned
        if source.reference is not None:
            return await remote.resolve(source.reference, reading)
        try:
            async with source.open_source(reading) as opened:
                return (await opened.manifest()).digest
        except PyskopeoError:
            return None  # the copy will say why

    def _may_do(self, image: SyncImage, there: Digest, *, is_index: bool) -> bool:
        """Whether the answer of the source can matter at all."""
        entry = self._record.get(self.key(image))
        if entry is not None and entry.how == self.how and entry.digest == there:
            return True
        return self._keeps(is_index=is_index)

    def _same(self, image: SyncImage, wanted: Digest | None, there: Digest, *, is_index: bool) -> bool:
        if wanted is None:
            return False
        entry = self._record.get(self.key(image))
        if entry is not None and entry.how == self.how and entry.digest == there and entry.source_digest == wanted:
            return True
        return wanted == there and self._keeps(is_index=is_index)

    def _keeps(self, *, is_index: bool) -> bool:
        """Whether a copy of what is there would be the same: not of an index, of which one image is wanted."""
        return not self._request.form.format and (self._all or not is_index)
