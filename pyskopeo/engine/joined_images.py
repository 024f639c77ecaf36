"""A list made of images from several sources, which a copy then reads as one source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput, Unsupported
from ..fast_dataclass import replace
from ..interfaces import ImageSource
from ..model import mediatype
from ..model.configured_platform import configured_platform
from ..model.manifest import Manifest
from ..model.strict_json import CONFIG_LIMIT
from .selection import has_only_blobs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.platform import Platform
    from ..model.signature import Signature
    from ..streams.pump import Blob


class JoinedImages(ImageSource):
    """A new index, whose manifests and blobs are read from the sources that have them; see `join_images`.

    ``lists`` are the indexes whose entries it has, with their sources.
    """

    def __init__(
        self, root: Manifest, owners: dict[Digest, ImageSource], known: dict[Digest, Manifest],
        lists: Sequence[tuple[ImageSource, Manifest]] = (),
    ) -> None:  # fmt: skip
        """``owners`` are the sources of manifests by digest, ``known`` the manifests that were read already."""
        self._root, self._owners, self._known = root, owners, known
        self.lists = tuple(lists)
        self._roots = frozenset(known)
        for digest, manifest in known.items():
            self._add(manifest, owners[digest])

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        if descriptor is None:
            return self._root
        if (known := self._known.get(descriptor.digest)) is not None:
            return known
        source = self._owners[descriptor.digest]
        found = await source.manifest(descriptor)
        self._add(found, source)
        return found

    def blob(self, descriptor: Descriptor) -> Blob:
        return self._owners[descriptor.digest].blob(descriptor)

    async def blob_size(self, descriptor: Descriptor) -> int:
        return await self._owners[descriptor.digest].blob_size(descriptor)

    async def is_stored(self, descriptor: Descriptor) -> bool:
        return await self._owners[descriptor.digest].is_stored(descriptor)

    async def signatures(
        self, descriptor: Descriptor | None = None, *, required: bool = False
    ) -> tuple[Signature, ...]:
        if descriptor is None:
            return ()
        owner, known_as = self.owner(descriptor)
        return await owner.signatures(known_as, required=required)

    def owner(self, descriptor: Descriptor) -> tuple[ImageSource, Descriptor | None]:
        """Return the source of a manifest, and its descriptor there, None if it is that source's root."""
        return self._owners[descriptor.digest], None if descriptor.digest in self._roots else descriptor

    def _add(self, manifest: Manifest, source: ImageSource) -> None:
        """Note where the content that a manifest names is."""
        blobs = manifest.manifests if manifest.is_index else manifest.blobs
        for descriptor in blobs:
            self._owners.setdefault(descriptor.digest, source)


async def join_images(
    sources: Sequence[tuple[str, ImageSource]], annotations: Mapping[str, str] | None = None
) -> JoinedImages:
    """Return a list of the images of ``sources``, which are given with their names, in their order.

    An image has the platform that its index or its layout states, else that of its configuration. Of a list all entries
    are taken over as they are, attestations included. The list is one of Docker's type if all its images are and all
    have a platform, and there are no ``annotations`` for it, else an OCI index. Several entries with one digest become
    one. Raises `InvalidInput` for two different images for one platform, `Unsupported` for schema 1 and for lists of
    blobs, and the sources' errors.
    """
    owners: dict[Digest, ImageSource] = {}
    known: dict[Digest, Manifest] = {}
    entries: dict[Digest, Mapping[str, Any]] = {}
    taken: dict[Platform, tuple[Digest, str]] = {}
    types: set[str] = set()
    lists: list[tuple[ImageSource, Manifest]] = []
    for name, source in sources:
        root = await source.manifest()
        if root.is_schema1 or has_only_blobs(root):
            what = "an image of Docker's schema 1" if root.is_schema1 else "a list of blobs, as of a build cache"
            raise Unsupported(f"{name} is {what}, which no list of images can contain")
        if root.is_index:
            lists.append((source, root))
        else:
            known[root.digest] = root
        for entry, descriptor in await _entries(source, root):
            platform = descriptor.platform
            if platform is not None and not platform.is_attestation:
                digest, other = taken.setdefault(platform, (descriptor.digest, name))
                if digest != descriptor.digest:
                    version = f" {platform.os_version}" if platform.os_version else ""
                    second = f"{descriptor.digest} of {name}"
                    raise InvalidInput(f"two images are for {platform}{version}: {digest} of {other}, and {second}")
            entries.setdefault(descriptor.digest, entry)
            owners.setdefault(descriptor.digest, source)
            types.add(descriptor.media_type if platform is not None else "")
    media_type = mediatype.OCI_INDEX
    if types == {mediatype.DOCKER_MANIFEST} and not annotations:
        media_type = mediatype.DOCKER_LIST
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries.values())}
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    raw = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
    return JoinedImages(Manifest.parse(raw), owners, known, lists)


async def _entries(source: ImageSource, root: Manifest) -> list[tuple[Mapping[str, Any], Descriptor]]:
    """Return the entries, as decoded and as descriptors, that an image or a list adds to the new list."""
    if root.is_index:
        return list(zip(root.document.get("manifests") or (), root.manifests, strict=True))
    descriptor = root.descriptor
    if root.is_image and root.config is not None:
        if descriptor.platform is None:
            platform = configured_platform(await source.blob(root.config).read(CONFIG_LIMIT))
            descriptor = replace(descriptor, platform=platform)
        return [(descriptor.to_json(), descriptor)]
    return [(descriptor.to_json() | {"artifactType": root.artifact_type}, descriptor)]
