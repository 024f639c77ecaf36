"""Reading an image's manifests: which of them, and what a conversion needs to know besides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import NoMatchingPlatform, Unsupported
from ..model import mediatype
from ..model.strict_json import CONFIG_LIMIT
from ..streams.concurrency import each
from .conversion import image_type
from .plan import AS_IT_IS, Form, Graph
from .selection import Selection, check_depth, no_match, suitable_children, wanted_children

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..interfaces import Accepts, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.platform import Platform

_MANIFESTS_AT_ONCE = 8


def _admit_all() -> None:
    """For those who ask no policy."""


async def read_graph(
    source: ImageSource,
    selection: Selection,
    accepts: Accepts,
    form: Form = AS_IT_IS,
    admit: Callable[[], None] = _admit_all,
) -> Graph:
    """Read the root and every manifest that is to be copied, concurrently; configurations too,
    where a conversion needs them. Raises the source's errors and `NoMatchingPlatform`; what the
    destination does not take is left for `decide` to refuse.

    ``admit`` is called when it is known that there is such an image, before more of it is read; it may raise."""
    root, chosen_from = await source.manifest(), None
    if selection.mode == "system":
        index, root = root, await find_image(source, root, selection.platform)
        chosen_from = index.digest if root is not index else None
    admit()
    children: dict[Digest, Manifest] = {}
    kept = None
    if root.is_index:
        first = wanted_children(root, selection)
        kept = frozenset(entry.digest for entry in first) if selection.strip else None
        await _read_children(source, first, children)
    graph = Graph(root, children, kept=kept, made=source.synthesized, chosen_from=chosen_from)
    return await with_configs(source, await _sized(source, graph), accepts, form)


async def find_image(source: ImageSource, root: Manifest, platform: Platform) -> Manifest:
    """The image for a platform: ``root`` itself unless it is an index, else the first that fits in
    it or in the indexes it names. Raises `NoMatchingPlatform` and the source's errors."""
    return await _find(source, root, platform, set()) if root.is_index else root


async def _find(
    source: ImageSource, index: Manifest, platform: Platform, seen: set[Digest], depth: int = 1
) -> Manifest:
    check_depth(depth)
    missing: list[NoMatchingPlatform] = []
    for entry in suitable_children(index, platform):
        if entry.digest in seen:
            continue
        seen.add(entry.digest)
        found = await source.manifest(entry)
        if not found.is_index:
            return found
        try:
            return await _find(source, found, platform, seen, depth + 1)
        except NoMatchingPlatform as error:
            missing.append(error)
    raise no_match(index, platform, tuple(name for error in missing for name in error.available))


async def read_children(source: ImageSource, index: Manifest) -> dict[Digest, Manifest]:
    """Every manifest below an index, by digest, read concurrently; raises the source's errors."""
    children: dict[Digest, Manifest] = {}
    await _read_children(source, index.manifests, children)
    return children


async def _read_children(
    source: ImageSource, first: Sequence[Descriptor], children: dict[Digest, Manifest]
) -> None:
    async def read(entry: Descriptor) -> None:
        children[entry.digest] = await source.manifest(entry)

    level, depth = list(first), 1
    while level:
        check_depth(depth)
        fresh = {entry.digest: entry for entry in level if entry.digest not in children}
        await each(fresh.values(), read, at_once=_MANIFESTS_AT_ONCE)
        # What was read before is not read again, so indexes that name each other come to an end.
        level = [entry for digest in fresh for entry in children[digest].manifests]
        depth += 1


async def _sized(source: ImageSource, graph: Graph) -> Graph:
    """Schema 1 does not say how large its layers are; where they lie, it is known."""
    if not graph.root.is_schema1 and not any(child.is_schema1 for child in graph.children.values()):
        return graph
    known: dict[Digest, Descriptor] = {}

    async def sized(manifest: Manifest) -> Manifest:
        if not manifest.is_schema1:
            return manifest
        for layer in manifest.layers:
            if layer.digest not in known:
                known[layer.digest] = replace(layer, size=await source.blob_size(layer))
        return replace(manifest, layers=tuple(known[layer.digest] for layer in manifest.layers))

    children = {digest: await sized(child) for digest, child in graph.children.items()}
    return replace(graph, root=await sized(graph.root), children=children)


async def with_configs(source: ImageSource, graph: Graph, accepts: Accepts, form: Form) -> Graph:
    """The graph with the configurations that are needed to write it in ``form``, and with what its
    layers really are; raises the source's errors. Where no type will do, nothing more is read."""
    if form.preserve_digests:
        return graph
    images = [manifest for manifest in (graph.root, *graph.children.values()) if manifest.is_image]
    try:
        targets = [image_type(manifest.media_type, accepts, form) for manifest in images]
    except Unsupported:
        return graph
    configs, actual = dict(graph.configs), dict(graph.actual)
    for manifest, target in zip(images, targets, strict=True):
        assert manifest.config is not None
        # Docker's manifests take an OCI configuration as it is.
        needed = target not in (manifest.media_type, mediatype.DOCKER_MANIFEST)
        if needed and manifest.config.digest not in configs:
            configs[manifest.config.digest] = await source.blob(manifest.config).read(CONFIG_LIMIT)
        for layer in manifest.layers:
            if not mediatype.is_foreign(layer.media_type):
                actual[layer.digest] = source.blob(layer).descriptor.media_type
    return replace(graph, configs=configs, actual=actual)
