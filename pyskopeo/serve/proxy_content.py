"""The content of a proxy: from its store, or from upstream by way of the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from io import FileIO
from typing import TYPE_CHECKING

from ..errors import NotFound
from ..fast_dataclass import dataclass, replace
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.reference import Reference
from ..storage.files import open_regular
from ..storage.pull_through import PullThrough, stored_name
from .blob_fetches import BlobFetches
from .fresh_values import Fresh, FreshValues
from .known_content import KnownContent, note
from .turns import Turns

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ..registry.repository_reader import Repository
    from ..storage.content_store import ContentStore
    from .upstream_connections import Connected, UpstreamConnections

# Images whose blobs have not all been asked for.
_MAX_INCOMPLETE = 1_000
_MAX_TAGS, _MAX_LISTS = 20_000, 500
# Seconds that a client waits for what a tag refers to now, if it is known what it referred to before.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class _Incomplete:
    """An image that gets its name in the store when its blobs are there."""

    reference: Reference
    root: Manifest
    through: PullThrough
    store: ContentStore


class ProxyContent:
    """Manifests, blobs and tags of upstream repositories; all names are references to upstream.

    What is stored is served without a request if it is known to belong to the repository: its images that are stored
    lead to it, or upstream has said so. A tag or a list is asked for again after ``fresh`` seconds.

    Methods raise `NetworkError`, `InvalidContent`, and `StorageFailed`.
    """

    def __init__(
        self, connections: UpstreamConnections, tasks: TaskGroup, fresh: float, count: Callable[[str], None]
    ) -> None:
        """``count`` is called with ``hit``, ``miss`` or ``stale`` for what is looked for in the store."""
        self.connections, self._count = connections, count
        self.fetches = BlobFetches(connections, tasks, self._name_complete)
        self._tags = FreshValues(fresh, self._ask_tag, self._stored_tag, limit=_MAX_TAGS, patience=_PATIENCE)
        self._lists = FreshValues(fresh, self._ask_tags, self._stored_tags, limit=_MAX_LISTS)
        self._referrers = FreshValues(fresh, self._ask_referrers, _nothing_stored, limit=_MAX_LISTS)
        self._turns = Turns()
        self._known = KnownContent()
        self._incomplete: OrderedDict[str, _Incomplete] = OrderedDict()

    async def tag(self, reference: Reference) -> tuple[Manifest, str]:
        """Return the manifest of a tag, and why upstream did not confirm that, if so."""
        state = await self._tags.get(reference)
        async with self.connections.used() as used:
            sizes = await self._known.sizes(reference.name, used.store)
            sizes.setdefault(state.value, 0)  # upstream says that it belongs to the repository
            manifest = await self._manifest(replace(reference, tag="", digest=state.value), used)
            await self._begin_image(reference, manifest, used)
        if state.problem:
            self._count("stale")
        return manifest, state.problem

    async def manifest(self, reference: Reference) -> Manifest:
        """Return a manifest by its digest."""
        async with self.connections.used() as used:
            return await self._manifest(reference, used)

    async def describe(self, reference: Reference, digest: Digest) -> Descriptor:
        """Return the descriptor of a blob of a repository."""
        async with self.connections.used() as used:
            sizes = await self._known.sizes(reference.name, used.store)
            if digest not in sizes:
                async with used.endpoints(reference) as endpoints:
                    sizes[digest] = await endpoints.first_result(lambda repository: repository.blob_size(digest))
            return Descriptor("application/octet-stream", digest, sizes[digest])

    async def open_stored(self, descriptor: Descriptor) -> FileIO | None:
        """Open the file of a blob; None if it is not stored."""
        async with self.connections.used() as used:
            stored = await used.store.holds(descriptor)
            self._count("hit" if stored else "miss")
            if not stored:
                return None
            try:
                return FileIO(open_regular(used.store.path(descriptor.digest)))
            except NotFound:
                return None

    async def tags(self, reference: Reference) -> Fresh[tuple[str, ...]]:
        """Return the tags of a repository; those that are stored while upstream is down."""
        return await self._lists.get(reference)

    async def referrers(self, reference: Reference) -> Fresh[tuple[Descriptor, ...]]:
        """Return what refers to the digest of a reference."""
        return await self._referrers.get(reference)

    async def repositories(self) -> list[str]:
        """Return the repositories of which an image is stored, each with its host."""
        async with self.connections.used() as used:
            return await self._known.repositories(used.store)

    async def _manifest(self, reference: Reference, used: Connected) -> Manifest:
        """Return a manifest by its digest, with one request of those who want it at the same time."""
        digest = reference.digest
        assert digest is not None
        sizes = await self._known.sizes(reference.name, used.store)
        async with self._turns.of((reference.name, digest)):
            found, known = await used.store.manifest(digest), digest in sizes
            self._count("miss" if found is None else "hit")
            if found is None or not known:
                async with used.endpoints(reference) as endpoints:
                    if found is None:
                        found = await endpoints.first_result(
                            lambda one: one.manifest(str(digest)).then(_parsed(one, digest))
                        )
                    else:
                        await endpoints.first_result(lambda one: one.resolve(str(digest)))
                await used.store.add_manifest(found)
        note(sizes, found)
        if known:
            await self._add_child(reference, found)
        else:
            await self._begin_image(reference, found, used)
        return found

    async def _ask_tag(self, reference: Reference) -> Digest:
        async with self.connections.used() as used, used.endpoints(reference) as endpoints:
            digest = await endpoints.first_result(lambda one: one.resolve(one.reference.manifest_name))
            if digest is None:  # a registry that does not state it
                found = await endpoints.first_result(
                    lambda one: one.manifest(one.reference.manifest_name).then(_parsed(one, None))
                )
                await used.store.add_manifest(found)
                digest = found.digest
            return digest

    async def _stored_tag(self, reference: Reference) -> Digest | None:
        async with self.connections.used() as used:
            found = (await self._known.tags(reference.name, used.store)).get(reference.tag)
            return None if found is None else found.digest

    async def _ask_tags(self, reference: Reference) -> tuple[str, ...]:
        async with self.connections.used() as used, used.endpoints(reference) as endpoints:
            found = await endpoints.first_result(lambda one: one.tags())
            return tuple(found)

    async def _stored_tags(self, reference: Reference) -> tuple[str, ...] | None:
        async with self.connections.used() as used:
            return tuple(await self._known.tags(reference.name, used.store)) or None

    async def _ask_referrers(self, reference: Reference) -> tuple[Descriptor, ...]:
        from ..registry.referrers import ReferrerLister

        assert reference.digest is not None
        async with self.connections.used() as used, used.endpoints(reference) as endpoints:
            found = await ReferrerLister(endpoints.repositories[-1]).referrers(reference.digest)
            sizes = await self._known.sizes(reference.name, used.store)
            sizes.update((one.descriptor.digest, one.descriptor.size) for one in found)
            return tuple(replace(one.descriptor, artifact_type=one.artifact_type) for one in found)

    async def _begin_image(self, reference: Reference, root: Manifest, used: Connected) -> None:
        """Have an image named in the store when it is complete there, unless it is."""
        name = stored_name(reference)
        begun, stored = self._incomplete.get(name), await used.store.find(name)
        if root.digest in (begun and begun.root.digest, stored and stored.digest):
            return
        through = PullThrough(used.store, reference)
        await through.add_manifest(root, root=True)
        self._incomplete[name] = _Incomplete(reference, root, through, used.store)
        while len(self._incomplete) > _MAX_INCOMPLETE:
            self._incomplete.popitem(last=False)
        await self._name_complete(reference)

    async def _add_child(self, reference: Reference, manifest: Manifest) -> None:
        """Note an image of the lists that are not complete."""
        found = [
            one for one in self._incomplete.values()
            if one.reference.name == reference.name and any(c.digest == manifest.digest for c in one.root.manifests)
        ]  # fmt: skip
        for one in found:
            await one.through.add_manifest(manifest, root=False)
        if found:
            await self._name_complete(reference)

    async def _name_complete(self, reference: Reference, blob: Digest | None = None) -> None:
        """Name the images that have become complete: those of a repository, and those of others with this ``blob``."""
        for name, one in list(self._incomplete.items()):
            if one.reference.name == reference.name or (blob is not None and one.through.needs(blob)):
                async with one.store.used():
                    if await one.through.name_image():
                        self._incomplete.pop(name, None)


async def _nothing_stored(_reference: Reference) -> None:
    return None


def _parsed(repository: Repository, expected: Digest | None) -> Callable[[tuple[bytes, str]], Manifest]:
    return lambda response: repository.parse_manifest(response, expected=expected)
