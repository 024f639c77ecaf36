"""Blobs that a bundle was made without, since its base has them: they have to be where the bundle is applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..errors import DestinationRefused, NotFound
from ..model.descriptor import Descriptor
from ..streams.concurrency import each
from ..streams.locations import RegistryBlob
from ..streams.pump import Blob

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference
    from ..model.digest import Digest
    from ..streams.byte_streams import BlobReader
    from .places import BundleTarget
    from .reading import OpenBundle

_PLACES_AT_ONCE = 8


class LeftOutBlobs:
    """The blobs that ``bundles`` need and do not have, as they are at the ``target``, whose access is ``access``.

    Each is looked for where the image of the base that has it was put, by the same rules for names.
    """

    def __init__(self, bundles: Sequence[OpenBundle], target: BundleTarget, access: Access) -> None:
        self._bundles, self._target, self._access = bundles, target, access
        self._places: dict[Digest, ImageReference] = {}

    def locations(self) -> Iterator[tuple[Digest, RegistryBlob]]:
        """Yield the repositories that have them, after `check`."""
        for digest, place in self._places.items():
            if place.reference is not None:
                yield digest, RegistryBlob(place.reference.api_host, place.reference.repository)

    async def check(self) -> None:
        """Look for all of them; raises `DestinationRefused` if one is missing, and the errors of the target."""
        for bundle in self._bundles:
            wanted = {
                digest: blob for digest, blob in bundle.contents.left_out.items()
                if digest not in self._places and not any(one.locate(digest) for one in self._bundles)
            }  # fmt: skip
            by_image: defaultdict[str, list[Descriptor]] = defaultdict(list)
            for digest, blob in wanted.items():
                by_image[blob.image].append(Descriptor("", digest, blob.size))
            await each(sorted(by_image.items()), self._look_up, at_once=_PLACES_AT_ONCE)
            missing = [digest for digest in wanted if digest not in self._places]
            if missing:
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                example = f"{missing[0]} of {wanted[missing[0]].image}"
                raise DestinationRefused(
                    f"{bundle.name} is based on {bundle.contents.describe_bases()}, and {self._target.name} does not "
                    f"have what it was made without: {example}{more}: apply that bundle first, or both together"
                )

    async def _look_up(self, item: tuple[str, list[Descriptor]]) -> None:
        name, blobs = item
        place = self._target.place(name)
        async with place.open_destination(self._access) as destination:
            for blob in blobs:
                if await destination.has_blob(blob):
                    self._places[blob.digest] = place

    def blob(self, descriptor: Descriptor) -> Blob | None:
        """Return such a blob, to be mounted from where it was found, or read from there; None for any other one."""
        place = self._places.get(descriptor.digest)
        if place is None:
            return None
        return Blob(descriptor, partial(self._open, place, descriptor))  # `SharedBlobs` has its locations

    @asynccontextmanager
    async def _open(self, place: ImageReference, descriptor: Descriptor, offset: int) -> AsyncIterator[BlobReader]:
        """Read a blob from the target, which has not mounted it from one repository into another."""
        if place.reference is None:
            raise NotFound(f"{self._target.name} has {descriptor.digest} no longer: apply the bundle again")
        async with (
            place.open_source(self._access) as source,
            source.blob(descriptor).opener(offset) as reader,
        ):
            yield reader
