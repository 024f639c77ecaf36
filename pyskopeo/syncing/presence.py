"""Check whether an image is at the destination already, with as few requests as possible."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import PyskopeoError, first_error
from .local_images import is_complete
from .registry_queries import has_complete_index, head_manifest, source_digest

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from .record import Record
    from .sync_request import SyncImage, SyncRequest


class PresenceCheck:
    """Compares the images of the source with those at the destination, by digest.

    For a destination on disk this takes at most one HEAD, to the source's registry. For a registry it takes one HEAD to
    either side, and for an index the requests of `has_complete_index`.

    """

    def __init__(self, request: SyncRequest, record: Record, writing: Access) -> None:
        self._request, self._record, self._writing = request, record, writing

    def options(self, image: SyncImage) -> str:
        """Return the platform and format of the copy of an image: only those made with the same ones are comparable."""
        form, selection = self._request.form, self._request.selection_of(image)
        platform = "all" if selection.mode == "all" else str(selection.platform)
        return " ".join(
            word for word in (platform, form.format, "preserve-digests" if form.preserve_digests else "") if word
        )

    def key(self, image: SyncImage) -> str:
        """Return an image's key in the record: its name relative to the destination, which may be moved."""
        transport, _, details = image.destination.partition(":")
        if transport == "oci":
            return details.partition(":")[2]
        return os.path.relpath(details, self._request.destination) if transport == "dir" else details

    async def present_digest(
        self,
        image: SyncImage,
        source: ImageReference,
        destination: ImageReference,
        reading: Access,
        present: Manifest | None,
    ) -> Digest | None:
        """Return the digest of the image at the destination if copying it again would change nothing, else None.

        None also means that it could not be found out. ``source`` and ``destination`` are the parsed names of
        ``image``, ``reading`` is the access of the source, ``present`` the root manifest at a local destination, if
        there is one. Raises what prevents a response.
        """
        if destination.transport == "docker":
            assert destination.reference is not None
            return await self._digest_in_registry(image, source, destination.reference, reading)
        if present is None or not self._may_match(image, present.digest, is_index=present.is_index):
            return None
        wanted = await self._source_digest(image, source, reading)
        if not self._matches(image, wanted, present.digest, is_index=present.is_index):
            return None
        return present.digest if await is_complete(destination, present, self._writing) else None

    async def _digest_in_registry(
        self, image: SyncImage, source: ImageReference, reference: Reference, reading: Access
    ) -> Digest | None:
        from anyio import create_task_group

        wanted: list[Digest | None] = []

        async def ask_source() -> None:
            wanted.append(await self._source_digest(image, source, reading))

        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(ask_source)
                present = await head_manifest(reference, self._writing)
        if present is None or not self._matches(image, wanted[0], present.digest, is_index=present.is_index):
            return None
        if present.is_index and not await has_complete_index(reference, present.digest, self._writing):
            return None
        return present.digest

    async def _source_digest(self, image: SyncImage, source: ImageReference, reading: Access) -> Digest | None:
        """Return the digest that the source's name refers to now, None if it is unknown without copying."""
        if image.pinned is not None:
            return image.pinned
        if source.reference is not None:
            return await source_digest(source.reference, reading)
        try:
            async with source.open_source(reading) as opened:
                return (await opened.manifest()).digest
        except PyskopeoError:
            return None  # the copy will raise it

    def _may_match(self, image: SyncImage, present: Digest, *, is_index: bool) -> bool:
        """Return whether any digest of the source could match; if not, the source need not be asked."""
        return self._recorded_source(image, present) is not None or self._copies_unchanged(image, is_index=is_index)

    def _matches(self, image: SyncImage, wanted: Digest | None, present: Digest, *, is_index: bool) -> bool:
        """Return whether a copy of the source with digest ``wanted`` is present with digest ``present``."""
        if wanted is None:
            return False
        if self._recorded_source(image, present) == wanted:
            return True
        return wanted == present and self._copies_unchanged(image, is_index=is_index)

    def source_of(self, image: SyncImage, present: Digest) -> Digest:
        """Return the digest at the source of an image that is at the destination, as `present_digest` has found."""
        return self._recorded_source(image, present) or present

    def _recorded_source(self, image: SyncImage, present: Digest) -> Digest | None:
        """Return the digest of the source that the image at the destination was copied from, if it is recorded."""
        entry = self._record.get(self.key(image))
        if entry is None or entry.options != self.options(image) or entry.digest != present:
            return None
        return entry.source_digest

    def _copies_unchanged(self, image: SyncImage, *, is_index: bool) -> bool:
        """Return whether a copy has the source's digest: not of an index from which one image is chosen."""
        return not self._request.form.format and (not is_index or self._request.selection_of(image).mode == "all")
