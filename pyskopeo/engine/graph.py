"""Read the manifests to copy from a source, and the configurations that their conversion needs.

They stay in memory until the copy is done, so their number and their size in total are limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import (
    NoMatchingPlatform,
    Unsupported,
)
from ..fast_dataclass import replace
from ..model import mediatype
from ..model.choice import Choice
from ..model.strict_json import CONFIG_LIMIT
from ..streams.concurrency import each
from .children import MANIFESTS_AT_ONCE, Children, Documents, add_children
from .layer_changes import changes_ciphers, has_encrypted_layers, layer_change
from .plan import DEFAULT_FORM, Form, Graph, why_unchangeable
from .selection import (
    Selection,
    check_depth,
    has_only_blobs,
    matching_children,
    no_match,
    selected_children,
    several_matches,
)
from .target_types import image_type

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TypeAlias

    from ..interfaces import Accepts, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.platform import Platform
    from ..model.signature import Signature

    Check: TypeAlias = Callable[[Manifest, Descriptor | None], Awaitable[tuple[Signature, ...]]]

async def _without_signatures(_: Manifest, __: Descriptor | None) -> tuple[Signature, ...]:
    """Check nothing: the default of `read_graph`."""
    return ()


def ignore_warning(_: str) -> None:
    """Do nothing with a warning."""


async def read_graph(
    source: ImageSource,
    selection: Selection,
    accepts: Accepts,
    form: Form = DEFAULT_FORM,
    check: Check = _without_signatures,
    *,
    check_blobs: Callable[[Graph], Awaitable[None]] | None = None,
    warn: Callable[[str], None] = ignore_warning,
) -> Graph:
    """Read the root manifest and the selected ones below it, concurrently, and the configurations to convert.

    An index whose entries are all blobs, such as a build cache, has no image to choose: it is copied as a whole.

    ``warn`` is called with a message if several images match the selection. ``check`` is called with each manifest that
    is copied and its descriptor, None for the source's root, before more of it is read; it returns the signatures that
    are copied with it. ``check_blobs`` is called when all manifests are read. Whatever they raise ends the copy. Raises
    the source's errors, `NoMatchingPlatform`, `InvalidContent` for indexes nested too deeply, and `TooLarge` for more
    manifests than a copy may hold in memory.
    Types that the destination does not accept are refused later, by `decide`.
    """
    root, chosen_from = await source.manifest(), None
    if selection.mode == "system" and has_only_blobs(root):
        selection = replace(selection, mode="all")
    if selection.mode == "system":
        index, root = root, await find_image(source, root, selection.platform, warn)
        chosen_from = index.digest if root is not index else None
    signatures = {root.digest: await check(root, None if chosen_from is None else root.descriptor)}
    children, kept = Children(), None
    if root.is_index:
        first = selected_children(root, selection)
        kept = frozenset(entry.digest for entry in first) if selection.strip else None
        await add_children(source, first, children)
        signatures |= await _check_children(children.manifests.values(), check)
    graph = Graph(
        root, children.manifests, kept=kept, synthesized=source.synthesized, chosen_from=chosen_from,
        entry_blobs=children.blobs, signatures={digest: found for digest, found in signatures.items() if found},
    )  # fmt: skip
    if check_blobs is not None:
        await check_blobs(graph)
    return await with_configs(source, await with_layer_sizes(source, graph), accepts, form)


async def _check_children(manifests: Iterable[Manifest], check: Check) -> dict[Digest, tuple[Signature, ...]]:
    """Return the signatures of child manifests; raises what ``check`` raises, and `TooLarge` for too many of them."""
    found: dict[Digest, tuple[Signature, ...]] = {}
    documents = Documents()

    async def check_one(manifest: Manifest) -> None:
        found[manifest.digest] = await check(manifest, manifest.descriptor)
        for signature in found[manifest.digest]:
            documents.add(len(signature.content))

    await each(manifests, check_one, at_once=MANIFESTS_AT_ONCE)
    return found


async def find_image(
    source: ImageSource, root: Manifest, wanted: Platform | Choice, warn: Callable[[str], None] = ignore_warning
) -> Manifest:
    """Return the image manifest for a platform, with the `Manifest.platform` that the index states for it.

    It is ``root`` itself unless that is an index; else the first match in the index or in the indexes below it.
    ``warn`` is called with a message if several match. Raises `NoMatchingPlatform`, the source's errors, and
    `InvalidContent` for indexes nested too deeply.
    """
    choice = Choice.of(wanted)
    seen: set[Digest] = set()

    async def find(index: Manifest, depth: int) -> Manifest:
        check_depth(depth)
        missing: list[NoMatchingPlatform] = []
        match = matching_children(index, choice)
        if choice.warn and len(match.equal) > 1:
            warn(several_matches(choice, match.equal))
        for entry in match.entries:
            if entry.digest in seen:
                continue
            seen.add(entry.digest)
            found = await source.manifest(entry)
            if not found.is_index:
                return found if entry.platform is None else replace(found, platform=entry.platform)
            try:
                return await find(found, depth + 1)
            except NoMatchingPlatform as error:
                missing.append(error)
        raise no_match(index, choice, tuple(name for error in missing for name in error.available))

    return await find(root, 1) if root.is_index else root


async def with_layer_sizes(source: ImageSource, graph: Graph) -> Graph:
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

    Besides those that are converted these are the ones of images whose layers are recompressed, or stored decompressed
    by the destination: they state the layers' diff IDs. Reads nothing where the destination accepts no suitable type,
    which `decide` will refuse. Raises the source's errors, and `TooLarge` if there is too much to hold in memory.
    """
    if form.preserve_digests and not accepts.ordered:
        return graph
    images = [manifest for manifest in (graph.root, *graph.children.values()) if manifest.is_image]
    try:
        targets = [image_type(manifest.media_type, accepts, form) for manifest in images]
    except Unsupported:
        return graph
    configs, actual_types = dict(graph.configs), dict(graph.actual_types)
    wanted: dict[Digest, Descriptor] = {}
    documents = Documents()
    for manifest, target in zip(images, targets, strict=True):
        assert manifest.config is not None
        takes = replace(accepts, unchangeable=why_unchangeable(manifest, graph, accepts, form))
        documents.add_manifest(manifest)
        for layer in manifest.layers:
            if not mediatype.is_foreign(layer.media_type):
                actual_types[layer.digest] = source.blob(layer).descriptor.media_type
        recompressed = changes_ciphers(manifest, form) or any(
            layer_change(
                replace(layer, media_type=actual_types.get(layer.digest, layer.media_type)), layer.media_type,
                takes, form, synthesized=graph.synthesized,
            ) for layer in manifest.layers
        )  # fmt: skip
        # A Docker manifest may contain an OCI configuration unchanged.
        converted = target not in (manifest.media_type, mediatype.DOCKER_MANIFEST)
        # Encrypted layers are stored as they are, or refused.
        decompressed = accepts.ordered and not has_encrypted_layers(manifest)
        if (converted or recompressed or decompressed) and manifest.config.digest not in configs:
            wanted[manifest.config.digest] = manifest.config

    async def read(config: Descriptor) -> None:
        documents.add(config.size)
        configs[config.digest] = await source.blob(config).read(CONFIG_LIMIT)

    await each(wanted.values(), read, at_once=MANIFESTS_AT_ONCE)
    return replace(graph, configs=configs, actual_types=actual_types)
