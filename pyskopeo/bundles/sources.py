"""The images of open bundles as sources of copies: read in place, blobs also from other bundles that were given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import NotFound
from ..interfaces import ImageReference, ImageSource
from ..model.bundle import bundled_name
from ..model.digest import Digest
from ..model.layout import LayoutIndex
from ..model.reference import Reference
from ..storage.layout_referrers import ReferrerCache
from ..storage.oci_layout import LayoutSource
from ..streams.locations import LocalFile
from ..streams.pump import Blob

if TYPE_CHECKING:
    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..model.referrer import Referrer
    from ..storage.pull_through import PullThrough
    from .reading import OpenBundle

_BLOBS = "blobs/"


class BundleContent:
    """The files of a bundle's layout, read from its archives: each file is in one of them.

    ``others`` may have what was left out; ``elsewhere`` returns what else is known of such a blob, None if nothing is.
    """

    def __init__(
        self, bundle: OpenBundle, others: Sequence[OpenBundle] = (),
        elsewhere: Callable[[Descriptor], Blob | None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.bundle, self._all, self._elsewhere = bundle, (bundle, *others), elsewhere
        self.index = BundleIndex(bundle.contents.index(referrers=True))

    def content(self, name: str, limit: int) -> bytes:
        """Return a manifest by its name in a layout; raises `NotFound` and `TooLarge`."""
        digest = _digest(name)
        for bundle in self._all if digest is not None else ():
            assert digest is not None
            if (found := bundle.content(digest, limit)) is not None:
                return found
        raise NotFound(f"{self.bundle.name}: no {name} in this bundle")

    def locate(self, name: str) -> LocalFile:
        """Return where a blob is that is whole in one file; raises `NotFound`."""
        digest = _digest(name)
        for bundle in self._all if digest is not None else ():
            assert digest is not None
            found = bundle.locate(digest)
            if found is not None and len(found) == 1:
                return found[0].location
        raise NotFound(f"{self.bundle.name}: no {name} in this bundle")

    def blob(self, descriptor: Descriptor) -> Blob | None:
        """Return a blob that is not opened yet, None if nothing is known of it."""
        for bundle in self._all:
            if (found := bundle.blob(descriptor)) is not None:
                return found
        return self._elsewhere(descriptor)


class BundleIndex:
    """The index of a bundle, with what refers to its images once that was asked for."""

    def __init__(self, index: LayoutIndex) -> None:
        self._index = index
        self.referrers: ReferrerCache | None = None

    def read(self) -> LayoutIndex:
        """Return the index."""
        return self._index


class BundledImageSource(LayoutSource):
    """One image of a bundle; with ``through`` it is read through the content store, for the store as destination."""

    def __init__(self, content: BundleContent, entry: Descriptor, through: PullThrough | None, *, record: bool) -> None:
        name = bundled_name(entry)
        super().__init__(content, name, content.bundle.name, index=content.index)
        self._content, self._store, self._record = content, through, record

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        found = await super().manifest(descriptor)
        if self._store is not None and self._record:
            await self._store.add_manifest(found, root=descriptor is None)
        return found

    def blob(self, descriptor: Descriptor) -> Blob:
        found = self._content.blob(descriptor) or super().blob(descriptor)
        return found if self._store is None else self._store.blob(found)

    async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
        found = await super().referrers(digest, artifact_type)
        if self._store is not None and self._record:
            self._store.referrers.note(digest, found)
        return found


class BundledImage(ImageReference):
    """An image of a bundle by its ``entry`` there.

    With ``through`` it is read through the content store of the access; with ``record`` it gets its name there, too.
    """

    transport = "bundle"

    def __init__(
        self, content: BundleContent, entry: Descriptor, *, through: bool = False, record: bool = True
    ) -> None:
        super().__init__(f"{content.bundle.name}:{bundled_name(entry)}")
        self.content, self.entry, self._through, self._record = content, entry, through, record

    @property
    def name(self) -> str:
        """The full name of the image."""
        return bundled_name(self.entry)

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        return self._open(access)

    @asynccontextmanager
    async def _open(self, access: Access) -> AsyncIterator[ImageSource]:
        if not self._through:
            yield BundledImageSource(self.content, self.entry, None, record=False)
            return
        from ..storage.pull_through import open_through

        async with open_through(Reference.parse(self.name), access) as through:
            yield BundledImageSource(self.content, self.entry, through, record=self._record)


def _digest(name: str) -> Digest | None:
    if not name.startswith(_BLOBS):
        return None
    algorithm, _, encoded = name.removeprefix(_BLOBS).partition("/")
    return Digest(algorithm, encoded)
