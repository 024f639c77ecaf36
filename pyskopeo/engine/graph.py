"""Read the manifests to copy from a source, and the configurations that their conversion needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import NoMatchingPlatform, Unsupported
from ..model import mediatype
from ..model.strict_json import CONFIG_LIMIT
from ..streams.concurrency import each
from .conversion import image_type
from .plan import DEFAULT_FORM, Form, Graph
from .selection import Selection, check_depth, matching_children, no_match, selected_children

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..interfaces import Accepts, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.platform import Platform

_MANIFESTS_AT_ONCE = 8


def _accept() -> None:
    """Check nothing: the default of `read_graph`."""


async def read_graph(
    source: ImageSource,
    selection: Selection,
    accepts: Accepts,
    form: Form = DEFAULT_FORM,
    check_policy: Callable[[], None] = _accept,
) -> Graph:
    """Read the root manifest and the selected ones below it, concurrently, and the configurations to convert.

    ``check_policy`` is called when the image is known to exist, before more of it is read; whatever it raises ends
    the copy. Raises the source's errors, `NoMatchingPlatform`, and `InvalidContent` for indexes nested too deeply.
    Types that the destination does not accept are refused later, by `decide`.
    """
    root, chosen_from = await source.manifest(), None
    if selection.mode == "system":
        index, root = root, await find_image(source, root, selection.platform)
        chosen_from = index.digest if root is not index else None
    check_policy()
    children: dict[Digest, Manifest] = {}
    kept = None
    if root.is_index:
        first = selected_children(root, selection)
        kept = frozenset(entry.digest for entry in first) if selection.strip else None
        await _read_children(source, first, children)
    graph = Graph(root, children, kept=kept, synthesized=source.synthesized, chosen_from=chosen_from)
    return await with_configs(source, await _with_layer_sizes(source, graph), accepts, form)


async def is_signed(source: ImageSource, graph: Graph) -> bool:
    """Return whether the source stores signatures of a manifest of the graph; raises the source's errors."""
    root = None if graph.chosen_from is None else graph.root.descriptor
    for descriptor in (root, *(child.descriptor for child in graph.children.values())):
        if await source.is_signed(descriptor):
            return True
    return False


async def find_image(source: ImageSource, root: Manifest, platform: Platform) -> Manifest:
    """Return the image manifest for a platform.

    It is ``root`` itself unless that is an index; else the first match in the index or in the indexes below it.
    Raises `NoMatchingPlatform`, the source's errors, and `InvalidContent` for indexes nested too deeply.
    """
    return await _find_in_index(source, root, platform, set()) if root.is_index else root


async def _find_in_index(
    source: ImageSource, index: Manifest, platform: Platform, seen: set[Digest], depth: int = 1
) -> Manifest:
    check_depth(depth)
    missing: list[NoMatchingPlatform] = []
    for entry in matching_children(index, platform):
        if entry.digest in seen:
            continue
        seen.add(entry.digest)
        found = await source.manifest(entry)
        if not found.is_index:
            return found
        try:
            return await _find_in_index(source, found, platform, seen, depth + 1)
        except NoMatchingPlatform as error:
            missing.append(error)
    raise no_match(index, platform, tuple(name for error in missing for name in error.available))


async def read_children(source: ImageSource, index: Manifest) -> dict[Digest, Manifest]:
    """Return every manifest below an index, by digest; they are read concurrently.

    Raises the source's errors, and `InvalidContent` for indexes nested too deeply.
    """
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
        # Manifests read before are skipped, so the loop ends even if indexes refer to each other.
        level = [entry for digest in fresh for entry in children[digest].manifests]
        depth += 1


async def _with_layer_sizes(source: ImageSource, graph: Graph) -> Graph:
    """Return the graph with layer sizes for manifests of schema 1, which have none; the source knows them."""
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
    """Return the graph with the configurations needed to write it in ``form``, and the actual types of its layers.

    Reads nothing where the destination accepts no suitable type, which `decide` will refuse. Raises the source's
    errors.
    """
    if form.preserve_digests:
        return graph
    images = [manifest for manifest in (graph.root, *graph.children.values()) if manifest.is_image]
    try:
        targets = [image_type(manifest.media_type, accepts, form) for manifest in images]
    except Unsupported:
        return graph
    configs, actual_types = dict(graph.configs), dict(graph.actual_types)
    for manifest, target in zip(images, targets, strict=True):
        assert manifest.config is not None
        # A Docker manifest may contain an OCI configuration unchanged.
        needed = target not in (manifest.media_type, mediatype.DOCKER_MANIFEST)
        if needed and manifest.config.digest not in configs:
            configs[manifest.config.digest] = await source.blob(manifest.config).read(CONFIG_LIMIT)
        for layer in manifest.layers:
            if not mediatype.is_foreign(layer.media_type):
                actual_types[layer.digest] = source.blob(layer).descriptor.media_type
    return replace(graph, configs=configs, actual_types=actual_types)
