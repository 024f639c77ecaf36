"""Which content a proxy knows to belong to which upstream repository, with its sizes."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from ..model.layout import reference_name
from ..storage.files import is_link, read_local_manifest
from ..streams.cancellation import check_cancelled, run_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.layout import LayoutIndex
    from ..model.manifest import Manifest
    from ..storage.content_store import ContentStore

_MAX_REPOSITORIES, _MAX_MANIFESTS = 2_000, 2_000


class KnownContent:
    """The sizes of manifests and blobs by repository, ``host/name``; those asked for last are kept in memory.

    Without an entry of its own, a repository is what the images lead to that are stored under its name.
    """

    def __init__(self) -> None:
        self._repositories: OrderedDict[str, dict[Digest, int]] = OrderedDict()
        self._by_name: tuple[LayoutIndex | None, dict[str, list[tuple[str, Descriptor]]]] = (None, {})

    async def sizes(self, repository: str, store: ContentStore) -> dict[Digest, int]:
        """Return the sizes in bytes of what is known to belong to a repository; add to them what else does."""
        found = self._repositories.get(repository)
        if found is None:
            found = await self._read(repository, store)
            found = self._repositories.setdefault(repository, found)  # another task may have been faster
            while len(self._repositories) > _MAX_REPOSITORIES:
                self._repositories.popitem(last=False)
        self._repositories.move_to_end(repository)
        return found

    async def tags(self, repository: str, store: ContentStore) -> dict[str, Descriptor]:
        """Return the tags of a repository that are stored."""
        entries = (await self._stored(store)).get(repository, ())
        return {name[1:]: descriptor for name, descriptor in entries if name.startswith(":")}

    async def repositories(self, store: ContentStore) -> list[str]:
        """Return the repositories of which an image is stored."""
        return sorted(await self._stored(store))

    async def _stored(self, store: ContentStore) -> dict[str, list[tuple[str, Descriptor]]]:
        """Return the entries of the store by repository, each with what follows the repository in its name."""
        index = await store.index()
        if index is None:
            return {}
        if self._by_name[0] is not index:
            found: dict[str, list[tuple[str, Descriptor]]] = {}
            for descriptor in index.descriptors:
                name, rest = _split(reference_name(descriptor))
                if rest:
                    found.setdefault(name, []).append((rest, descriptor))
            self._by_name = index, found
        return self._by_name[1]

    async def _read(self, repository: str, store: ContentStore) -> dict[Digest, int]:
        roots = [descriptor for _, descriptor in (await self._stored(store)).get(repository, ())]
        return await run_in_thread(partial(_read_sizes, store, roots[:_MAX_MANIFESTS]))


def _read_sizes(store: ContentStore, roots: Iterable[Descriptor]) -> dict[Digest, int]:
    """Return the sizes of all that images in the store lead to; for a worker thread."""
    found: dict[Digest, int] = {}
    for root in roots:
        check_cancelled()
        manifest = _read_manifest(store, root)
        if manifest is not None:
            note(found, manifest)
            for child in manifest.manifests[:_MAX_MANIFESTS]:
                if (image := _read_manifest(store, child)) is not None:
                    note(found, image)
    return found


def _read_manifest(store: ContentStore, descriptor: Descriptor) -> Manifest | None:
    path = store.path(descriptor.digest)
    return None if is_link(path) else read_local_manifest(path, descriptor.digest, descriptor.media_type)


def note(sizes: dict[Digest, int], manifest: Manifest) -> None:
    """Add a manifest and what it names."""
    sizes[manifest.digest] = len(manifest.raw)
    for one in manifest.manifests if manifest.is_index else manifest.blobs:
        sizes.setdefault(one.digest, one.size)


def _split(name: str) -> tuple[str, str]:
    """Split ``host/repository:tag`` or ``host/repository@digest`` before its second part, "" if it has none."""
    at = name.find("@")
    if at < 0:
        at = name.find(":", name.rfind("/") + 1)
    return (name[:at], name[at:]) if at > 0 else (name, "")
