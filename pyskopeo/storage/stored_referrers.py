"""What refers to images, in the content store: listed with the names of the tag schema, whatever the registry has.

Offline, what was listed last is found there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Offline
from ..fast_dataclass import replace
from ..model.referrer import COSIGN_SUFFIXES, Referrer, artifact_type, cosign_tag, referrers_tag
from ..model.referrer_index import ReferrerIndex, referrer_descriptor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from .content_store import ContentStore

    Request: TypeAlias = Callable[[], Awaitable[tuple[Referrer, ...]]]


class StoredReferrers:
    """The referrers of the images of one repository, as one copy lists them through the store.

    ``listed`` are their digests. With ``offline`` nothing is requested.
    """

    def __init__(self, store: ContentStore, reference: Reference | None, *, offline: bool) -> None:
        self._store, self._offline = store, offline
        self._repository = None if reference is None else replace(reference, tag="", digest=None)
        self._found: dict[Digest, tuple[Referrer, ...]] = {}
        self._tagged: dict[str, Referrer] = {}
        self.listed: set[Digest] = set()

    async def list(self, digest: Digest, request: Request) -> tuple[Referrer, ...]:
        """Return what refers to ``digest``, by ``request``, or offline what was found at the last time.

        Raises what ``request`` raises, and `Offline` if nothing is known of the image.
        """
        if not self._offline:
            return self.note(digest, await request())
        found = await self._stored(digest)
        self.listed |= {one.descriptor.digest for one in found}
        return found

    def note(self, digest: Digest, found: tuple[Referrer, ...]) -> tuple[Referrer, ...]:
        """Note what is known to refer to ``digest``, to be named when it is complete; return it."""
        self._found[digest] = found
        self.listed |= {one.descriptor.digest for one in found}
        return found

    async def list_tags(self, digest: Digest, request: Request) -> tuple[Referrer, ...]:
        """Return the images with cosign's tags for ``digest``, as `list` does."""
        if self._offline:
            tags = (cosign_tag(digest, suffix) for suffix in COSIGN_SUFFIXES)
            found = tuple([one for tag in tags if (one := await self._stored_tag(tag)) is not None])
        else:
            found = await request()
            self._tagged |= {one.tag: one for one in found}
        self.listed |= {one.descriptor.digest for one in found}
        return found

    async def name_all(self) -> None:
        """Name what was listed and is complete in the store."""
        for digest, found in self._found.items():
            complete = [one for one in [await self._complete(each) for each in found] if one is not None]
            if complete or digest not in self.listed:  # that nothing refers to an image is known, too
                index = ReferrerIndex.empty().with_referrers(map(referrer_descriptor, complete)).to_manifest()
                await self._name(referrers_tag(digest), index)
        for tag, one in self._tagged.items():
            manifest = await self._complete(one)
            if manifest is not None:
                await self._name(tag, manifest)

    async def _complete(self, one: Referrer) -> Manifest | None:
        """Return a referrer's manifest if the store has all that it names."""
        manifest = await self._store.manifest(one.descriptor.digest, one.descriptor.media_type)
        if manifest is None:
            return None
        blobs = manifest.manifests if manifest.is_index else manifest.blobs
        return manifest if all([await self._store.holds(blob) for blob in blobs]) else None

    async def _name(self, tag: str, manifest: Manifest) -> None:
        await self._store.add_manifest(manifest)
        await self._store.name(self._stored_name(tag), manifest)

    async def _stored(self, digest: Digest) -> tuple[Referrer, ...]:
        tag = referrers_tag(digest)
        entry = await self._store.find(self._stored_name(tag))
        index = None if entry is None else await self._store.manifest(entry.digest, entry.media_type)
        if index is None:
            if digest in self.listed:
                return ()
            what = f"what refers to {digest}"
            raise Offline(
                f"{what} is not in the store {self._store.root}, and --offline allows no request: it is stored by a "
                "copy with --referrers",
                missing=(what,),
            )
        return tuple(Referrer(one, one.artifact_type, "tag schema", tag) for one in index.manifests)

    async def _stored_tag(self, tag: str) -> Referrer | None:
        entry = await self._store.find(self._stored_name(tag))
        manifest = None if entry is None else await self._store.manifest(entry.digest, entry.media_type)
        if manifest is None:
            return None
        descriptor = replace(manifest.descriptor, annotations=manifest.annotations)
        return Referrer(descriptor, artifact_type(manifest), "cosign tag", tag)

    def _stored_name(self, tag: str) -> str:
        assert self._repository is not None  # only images of registries are listed through the store
        return str(replace(self._repository, tag=tag))
