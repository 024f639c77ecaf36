"""What a copy will do, decided from manifests alone: pure, so every refusal is known before a byte moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .errors import CannotPreserve, InvalidContent, InvalidInput, NoMatchingPlatform, Unsupported
from .image import Accepts
from .model import mediatype
from .model.descriptor import Descriptor
from .model.digest import Digest
from .model.manifest import Manifest
from .model.platform import Platform, acceptable, choose

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images of an index are wanted.

    ``mode`` is ``system`` (the one for ``platform``), ``all``, ``index-only`` or ``platforms``
    (those in ``platforms``); ``strip`` drops the entries of the others from the index.
    """

    platform: Platform
    mode: str = "system"
    platforms: tuple[Platform, ...] = ()
    strip: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """What was read of the source: the root to be copied, and the children that come along, by digest.

    ``configs`` are the configurations of images that may have to be converted, ``actual`` the media
    types of blobs whose manifest errs about them.
    """

    root: Manifest
    children: Mapping[Digest, Manifest] = field(default_factory=dict)
    configs: Mapping[Digest, bytes] = field(default_factory=dict)
    actual: Mapping[Digest, str] = field(default_factory=dict)
    kept: frozenset[Digest] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a copy moves: blobs from the source, ``contents`` made anew, manifests, then the root."""

    source: Digest
    root: Manifest
    manifests: tuple[Manifest, ...]
    blobs: tuple[Descriptor, ...]
    contents: tuple[tuple[Descriptor, bytes], ...] = ()
    images: int = 1

    @property
    def all_blobs(self) -> tuple[Descriptor, ...]:
        """What the destination will have: the source's blobs and those made anew."""
        return (*self.blobs, *(descriptor for descriptor, _ in self.contents))

    @property
    def total(self) -> int:
        """Bytes of all blobs."""
        return sum(blob.size for blob in self.all_blobs)

    @property
    def converted(self) -> bool:
        return self.root.digest != self.source


def wanted_children(index: Manifest, selection: Selection) -> Sequence[Descriptor]:
    """The entries of an index that are to be read; raises `NoMatchingPlatform`.

    For ``system`` it is one, and it is copied in the index's place.
    """
    if selection.mode == "index-only":
        return ()
    if selection.mode == "all":
        return index.manifests
    if selection.mode == "system":
        return (choose_child(index, selection.platform),)
    found: list[Descriptor] = []
    for wanted in selection.platforms:
        candidates = {(p.os, p.architecture, p.variant) for p in acceptable(wanted)} if not wanted.variant else {
            (wanted.os, wanted.architecture, wanted.variant)
        }
        matching = [
            entry for entry in index.manifests
            if entry.platform
            and (entry.platform.os, entry.platform.architecture, entry.platform.variant) in candidates
        ]  # fmt: skip
        if not matching:
            raise no_match(index, wanted)
        found += [entry for entry in matching if entry not in found]
    return found


def choose_child(index: Manifest, platform: Platform) -> Descriptor:
    """The entry for a platform, by skopeo's rules; raises `NoMatchingPlatform`."""
    return suitable_children(index, platform)[0]


def suitable_children(index: Manifest, platform: Platform) -> tuple[Descriptor, ...]:
    """The entry for a platform; several where none says what it is for: an index among them may
    turn out to have nothing for us. Raises `NoMatchingPlatform`."""
    candidates = [
        entry for entry in index.manifests
        if (entry.is_manifest or not entry.media_type) and not (entry.platform and entry.platform.is_attestation)
    ]  # fmt: skip
    position = choose(platform, [entry.platform for entry in candidates])
    if position is None:
        raise no_match(index, platform)
    if candidates[position].platform is not None:
        return (candidates[position],)
    return tuple(entry for entry in candidates if entry.platform is None)


def no_match(index: Manifest, wanted: Platform, nested: tuple[str, ...] = ()) -> NoMatchingPlatform:
    """The error that says what there is, here and in the indexes named here (``nested``)."""
    kind = "manifest list" if index.media_type == mediatype.DOCKER_LIST else "image index"
    here = (str(entry.platform) for entry in index.manifests if entry.platform)
    available = tuple(dict.fromkeys((*here, *nested)))
    return NoMatchingPlatform(
        f'no image found in {kind} for architecture "{wanted.architecture}", variant "{wanted.variant}", '
        f'OS "{wanted.os}"; there is: {", ".join(available) or "nothing"}',
        wanted=str(wanted),
        available=available,
    )


def check_depth(depth: int) -> None:
    """Indexes may nest, but not without end: raises `InvalidContent`."""
    if depth > _DEEPEST:
        raise InvalidContent(f"image indexes are nested more than {_DEEPEST} deep")


def decide(graph: Graph, accepts: Accepts, *, preserve_digests: bool = False) -> Plan:
    """The plan for a graph and a destination.

    Raises `CannotPreserve` when a manifest would have to change and may not, `Unsupported` when
    the destination cannot hold it at all.
    """
    root = graph.root
    if root.is_index and not accepts.indexes:
        raise Unsupported("this destination holds single images: copy one platform, without --all")
    if graph.kept is not None and all(entry.digest in graph.kept for entry in root.manifests):
        graph = replace(graph, kept=None)  # nothing to strip, so nothing changes
    if not root.is_index and not root.is_image and not accepts.artifacts:
        raise Unsupported("this destination holds images only, and this artifact's config is no image config")
    if graph.kept is not None and preserve_digests:
        raise CannotPreserve("--strip-removed-platforms changes the index, and --preserve-digests forbids it")
    rewriting = _Rewriting(graph, accepts, preserve_digests)
    new_root = rewriting.manifest(root)
    blobs = _distinct(
        blob for blob in rewriting.blobs
        if blob.digest not in rewriting.contents and not (accepts.foreign and _stays_away(blob))
    )  # fmt: skip
    manifests = tuple(m for m in rewriting.done.values() if m.digest != new_root.digest)
    images = sum(not manifest.is_index for manifest in rewriting.sources)
    return Plan(root.digest, new_root, _unique(manifests), blobs, tuple(rewriting.contents.values()), images)


class _Rewriting:
    """Goes through a graph, children first, converting what the destination does not take."""

    def __init__(self, graph: Graph, accepts: Accepts, preserve_digests: bool) -> None:
        self._graph, self._accepts, self._preserve = graph, accepts, preserve_digests
        self.done: dict[Digest, Manifest] = {}
        self.sources: list[Manifest] = []
        self.contents: dict[Digest, tuple[Descriptor, bytes]] = {}
        self.blobs: list[Descriptor] = []

    def manifest(self, manifest: Manifest) -> Manifest:
        if manifest.digest not in self.done:
            self.sources.append(manifest)
            if manifest.is_index:
                new = self._index(manifest)
            else:
                new = self._image(manifest)
                # A configuration that was made anew is not fetched, but another image may want the old one.
                self.blobs += manifest.blobs if new is manifest else manifest.layers
            self.done[manifest.digest] = new
        return self.done[manifest.digest]

    def _image(self, manifest: Manifest) -> Manifest:
        if manifest.media_type in self._accepts.media_types or self._preserve or not manifest.is_image:
            return manifest
        # Loaded only where something has to change: most copies convert nothing.
        from .model import convert

        assert manifest.config is not None
        layers = tuple(
            replace(layer, media_type=self._graph.actual.get(layer.digest, layer.media_type))
            for layer in manifest.layers
        )
        config = self._graph.configs[manifest.config.digest]
        new, descriptor, content = convert.image_to_oci(replace(manifest, layers=layers), config)
        self.contents[descriptor.digest] = (descriptor, content)
        return new

    def _index(self, index: Manifest) -> Manifest:
        changed: dict[Digest, Descriptor] = {}
        for entry in index.manifests:
            child = self._graph.children.get(entry.digest)
            if child is not None:
                new = self.manifest(child)
                if new.digest != child.digest:
                    changed[entry.digest] = new.descriptor
        from .model import convert

        kept = self._graph.kept if index.digest == self._graph.root.digest else None
        if kept is not None:
            index = convert.replace_children(index, {}, kept)
        if index.media_type not in self._accepts.media_types and not self._preserve:
            return convert.index_to_oci(index, changed)
        return convert.replace_children(index, changed, None) if changed else index


def _stays_away(blob: Descriptor) -> bool:
    return mediatype.is_foreign(blob.media_type) and bool(blob.urls)


def _distinct(blobs: Iterator[Descriptor]) -> tuple[Descriptor, ...]:
    """One per digest, in order; raises `InvalidContent` if two say different sizes."""
    found: dict[Digest, Descriptor] = {}
    for blob in blobs:
        known = found.setdefault(blob.digest, blob)
        if known.size != blob.size:
            raise InvalidContent(f"blob {blob.digest} is said to have {known.size} bytes and {blob.size} bytes")
    return tuple(found.values())


def _unique(manifests: Sequence[Manifest]) -> tuple[Manifest, ...]:
    return tuple({manifest.digest: manifest for manifest in manifests}.values())


def parse_selection(multi_arch: str, *, platform: Platform, strip: bool = False) -> Selection:
    """Read ``--multi-arch``: system, all, index-only or a list of platforms; raises `InvalidInput`."""
    if multi_arch in ("system", "all", "index-only"):
        if strip:
            raise InvalidInput("--strip-removed-platforms goes with --multi-arch=os/arch,...")
        return Selection(platform, multi_arch)
    if "/" not in multi_arch:
        raise InvalidInput(
            f"unknown multi-arch option {multi_arch!r}. Choose one of the supported options: "
            "'system', 'all', 'index-only', or a list of platforms such as linux/amd64,linux/arm64"
        )
    platforms = tuple(Platform.parse(part.strip()) for part in multi_arch.split(","))
    return Selection(platform, "platforms", platforms, strip)
