"""What an image consists of, by image name: indexes, platforms, layers with their build steps, and referrers.

Manifests and configurations are read, and no layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.children import MANIFESTS_AT_ONCE, Children, Documents, read_children
from ..engine.graph import find_image, with_layer_sizes
from ..engine.plan import Graph
from ..engine.referrer_walk import ReferrerWalk
from ..errors import InvalidContent, NotFound, Offline, PyskopeoError, RegistryError, Unsupported, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..model import mediatype
from ..model.configured_platform import configured_platform
from ..model.image_config import parse_config
from ..model.image_history import read_history, steps_of_layers
from ..model.image_tree import ImageTree, TreeLayer, TreeManifest
from ..model.platform import Platform
from ..model.referrer import Referrer, attested_digest
from ..streams.concurrency import work_off
from ..transports import parse_image_name
from .inspection import read_config
from .referrers import HAVE_REFERRERS, read_subjects

if TYPE_CHECKING:
    from ..interfaces import ImageSource
    from ..model.choice import Choice
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.image_history import HistoryStep
    from ..model.manifest import Manifest

_MAX_PROBLEMS = 20
_NOTED: tuple[type[PyskopeoError], ...] = (NotFound, InvalidContent, Unsupported, RegistryError)


async def image_tree(
    name: str,
    *,
    platform: Platform | Choice | None = None,
    referrers: bool = True,
    access: Access | None = None,
) -> ImageTree:
    """Return what an image (``transport:details``) consists of: its index, platforms, layers, build steps, referrers.

    ``platform`` selects one image of an index, None: all of them. ``referrers`` is whether a registry, a layout or its
    archive is asked for what refers to each manifest; images elsewhere have none. What is not there, such as platforms
    that were not copied into a layout, has no layers; what could not be read besides is in `ImageTree.problems`.

    Raises `InvalidName`, `NotFound`, `NoMatchingPlatform`, `NetworkError`, `InvalidContent`, and `TooLarge` for more
    manifests and configurations than are held in memory.
    """
    reference, access = parse_image_name(name), access or Access.from_environ()
    async with AsyncExitStack() as stack:
        with prefix_errors(f"reading {reference.image_name}"):
            source = await stack.enter_async_context(reference.open_source(access))
            root = await source.manifest()
            if platform is not None:
                root = await find_image(source, root, platform)
            tree = _Tree(source)
            root = await tree.read(root)
        await tree.read_referrers(root, ask=referrers and reference.transport in HAVE_REFERRERS)
    return ImageTree(reference.image_name, tree.build(root), tree.unread, tuple(tree.problems[:_MAX_PROBLEMS]))


@dataclass(frozen=True, slots=True)
class _Stated:
    """What the configuration of an image states."""

    platform: Platform | None
    created: str
    history: tuple[HistoryStep, ...]


class _Tree:
    """Reads manifests, configurations and referrers, and makes the tree of them."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self._children = Children()
        self._stated: dict[Digest, _Stated] = {}
        self._attestations: Mapping[Digest, Sequence[Descriptor]] = {}
        self._walk: ReferrerWalk | None = None
        self._described: set[Digest] = set()
        self.problems: list[str] = []

    @property
    def unread(self) -> int:
        """The number of referrers that were not looked into."""
        return 0 if self._walk is None else self._walk.unread

    async def read(self, root: Manifest) -> Manifest:
        """Read everything below ``root``, except for attestations, and the configurations of its images.

        Returns the root, with the sizes of its layers if it is of schema 1.
        """
        if root.is_index:
            kept = tuple(entry for entry in root.manifests if not attested_digest(entry.annotations))
            self._children = await read_children(self._source, replace(root, manifests=kept), tolerant=True)
        graph = await with_layer_sizes(self._source, Graph(root, self._children.manifests))
        self._children.manifests = dict(graph.children)
        images = [one for one in (graph.root, *graph.children.values()) if one.is_image or one.is_schema1]
        documents = Documents()

        async def read_one(image: Manifest) -> None:
            with self._noting(f"the configuration of {image.digest}"):
                content = await read_config(self._source, image)
                documents.add(len(content))
                self._stated[image.digest] = _read_stated(content)

        await work_off(images, read_one, at_once=MANIFESTS_AT_ONCE)
        return graph.root

    async def read_referrers(self, root: Manifest, *, ask: bool) -> None:
        """Find the attestations in the index, and with ``ask`` what refers to each manifest that is there."""

        async def known(entry: Descriptor) -> Manifest | None:
            return self._children.manifests.get(entry.digest)

        found, self._attestations = await read_subjects(root, known)
        if not ask:
            return
        subjects = [digest for digest in found if digest == root.digest or digest in self._children.manifests]
        walk = ReferrerWalk(self._source)
        with self._noting("what refers to the image", (*_NOTED, Offline)):
            for digest in subjects:
                await walk.add_attestations(digest, self._attestations.get(digest, ()))
            await walk.run(subjects)
            self._walk = walk

    def build(self, manifest: Manifest, entry: Descriptor | None = None) -> TreeManifest:
        """Return the tree of a manifest that was read; ``entry`` is its descriptor in an index."""
        found = entry or manifest.descriptor
        node = TreeManifest(found, found.platform, is_index=manifest.is_index)
        if manifest.digest in self._described:
            return replace(node, repeated=True)
        self._described.add(manifest.digest)
        node = replace(node, referrers=self._referrers(manifest.digest))
        if manifest.is_index:
            entries = [one for one in manifest.manifests if not attested_digest(one.annotations)]
            return replace(
                node,
                manifests=tuple(self._entry(one) for one in entries if one.digest not in self._children.blobs),
                blobs=tuple(one for one in entries if one.digest in self._children.blobs),
            )
        is_image = manifest.is_image or manifest.is_schema1
        stated = self._stated.get(manifest.digest, _Stated(None, "", ()))
        steps = steps_of_layers(stated.history, len(manifest.layers))
        return replace(
            node,
            platform=found.platform or stated.platform,
            artifact_type="" if is_image else manifest.artifact_type,
            config=manifest.config,
            layers=tuple(map(TreeLayer, manifest.layers, steps)),
            history=stated.history,
            created=stated.created,
        )

    def _entry(self, entry: Descriptor) -> TreeManifest:
        child = self._children.manifests.get(entry.digest)
        if child is not None:
            return self.build(child, entry)
        is_index = entry.media_type in mediatype.INDEXES
        referrers = self._referrers(entry.digest)
        return TreeManifest(entry, entry.platform, is_index=is_index, missing=True, referrers=referrers)

    def _referrers(self, digest: Digest) -> tuple[Referrer, ...]:
        if self._walk is not None and (found := self._walk.tree(digest)):
            return found
        return tuple(Referrer(one, "", "index entry") for one in self._attestations.get(digest, ()))

    @contextmanager
    def _noting(self, what: str, errors: tuple[type[PyskopeoError], ...] = _NOTED) -> Iterator[None]:
        """Note what could not be read, and go on without it; a registry that cannot be reached is an error."""
        try:
            yield
        except errors as error:
            self.problems.append(f"{what}: {error}")


def _read_stated(content: bytes) -> _Stated:
    config = parse_config(content)
    created = config.get("created")
    return _Stated(configured_platform(content), created if isinstance(created, str) else "", read_history(config))
