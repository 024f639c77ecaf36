"""The content of a registry that has repositories, as its endpoints read it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..model.layout import LayoutIndex
from ..storage.registry_entries import tag_order
from .blob_files import BlobFiles
from .catalog import Catalog
from .content import RegistryContent, layout_title, read_manifest, unknown_tag
from .responses import refusal

if TYPE_CHECKING:
    from io import FileIO

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..storage.registry_storage import RegistryStorage

# Bytes of manifests that are kept in memory.
_KEPT = 8 * 1024 * 1024


class StoredContent(RegistryContent):
    """The repositories in a `RegistryStorage`; ``repository`` is the only one that is served, None for all."""

    def __init__(self, storage: RegistryStorage, repository: str | None = None) -> None:
        self.storage, self._repository = storage, repository
        self._blob_files = BlobFiles(storage.root / "blobs")
        self._title = layout_title(storage.root)
        self._plain: tuple[LayoutIndex, Catalog] = LayoutIndex.empty(), Catalog.of(LayoutIndex.empty())
        self._manifests: dict[tuple[Digest, str], Manifest] = {}
        self._kept = 0

    async def repositories(self, last: str, count: int) -> tuple[Sequence[str], bool]:
        """Return repositories with entries, and that of the layout's own name if there are plain entries."""
        if self._repository is not None:
            names = [self._repository] if self._repository > last else []
            return names[:count], len(names) > count
        await self.storage.index.refresh()
        index = self.storage.index
        found, more = index.repositories_after(last, count)
        title = self._title
        if not index.common.has_entries or title <= last or title in found or index.get(title) is not None:
            return found, more
        if not more or (found and title < found[-1]):
            found = sorted((*found, title))
            more = more or len(found) > count
        return found[:count], more

    async def tags(self, repository: str, last: str, count: int) -> tuple[Sequence[str], bool]:
        await self._check(repository)
        found = self.storage.index.get(repository)
        own, more = ([], False) if found is None else found.tags_after(last, count)
        plain = [
            tag for tag in self._catalog().tags_in(repository)
            if (not last or tag_order(tag) > tag_order(last)) and (found is None or tag not in found.tags)
        ]  # fmt: skip
        if not plain:
            return own, more
        if more:
            plain = [tag for tag in plain if tag_order(tag) <= tag_order(own[-1])] if own else []
        every = sorted((*own, *plain), key=tag_order)
        return every[:count], more or len(every) > count

    async def resolve(self, repository: str, tag: str) -> Digest:
        await self._check(repository)
        found = self.storage.index.get(repository)
        if found is not None and (entry := found.tags.get(tag)) is not None:
            return entry.digest
        catalog = self._catalog()
        if (digest := catalog.resolve(repository, tag)) is None:
            raise unknown_tag(tag, ambiguous=tag in catalog.ambiguous)
        return digest

    async def manifest(self, repository: str, digest: Digest) -> Manifest:
        from anyio import to_thread

        await self._check(repository)
        if (found := self._catalog().synthesized.get(digest)) is not None:
            return found
        media_type = await self.storage.media_type(repository, digest)
        if media_type is None:
            raise refusal(404, "MANIFEST_UNKNOWN", f"{digest} is not in repository {repository}")
        self.storage.note_use(digest)
        found = self._manifests.get((digest, media_type))
        if found is None:
            found = await to_thread.run_sync(partial(read_manifest, self.storage.root / "blobs", digest, media_type))
            self._keep(found, media_type)
        return found

    async def open_blob(self, repository: str, digest: Digest) -> FileIO:
        await self._check(repository)
        if not await self.storage.belongs(repository, digest):
            raise refusal(404, "BLOB_UNKNOWN", f"{digest} is not in repository {repository}")
        self.storage.note_use(digest)
        return await self._blob_files.open(digest)

    async def referrers(self, repository: str, digest: Digest) -> Sequence[Descriptor]:
        await self._check(repository, known=False)
        return await self.storage.referrers(repository, digest)

    async def _check(self, repository: str, *, known: bool = True) -> None:
        """Read changes of the index, and refuse a repository that is not there, or is not served."""
        if self._repository not in (None, repository):
            message = f"repository {repository} is not served here, {self._repository} is"
            raise refusal(404, "NAME_UNKNOWN", message)
        await self.storage.index.refresh()
        if known and not self.storage.exists(repository):
            raise refusal(404, "NAME_UNKNOWN", f"there is no repository {repository}")

    def _catalog(self) -> Catalog:
        """Return the tags of the plain entries."""
        plain = self.storage.index.plain
        if self._plain[0] is not plain:
            self._plain = plain, Catalog.of(plain)
        return self._plain[1]

    def _keep(self, manifest: Manifest, media_type: str) -> None:
        """Keep a manifest in memory, and forget the oldest ones."""
        if (manifest.digest, media_type) in self._manifests or len(manifest.raw) > _KEPT // 8:
            return
        self._manifests[manifest.digest, media_type] = manifest
        self._kept += len(manifest.raw)
        while self._kept > _KEPT:
            oldest = next(iter(self._manifests))
            self._kept -= len(self._manifests.pop(oldest).raw)
