"""Decide how the compression of layers changes during a copy; no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import InvalidContent
from ..model import mediatype
from ..model.change import Change
from .plan import has_foreign_urls

if TYPE_CHECKING:
    from ..interfaces import Accepts
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .plan import Form, Graph


def layer_change(
    layer: Descriptor, stated_type: str, accepts: Accepts, form: Form, *, synthesized: bool
) -> Change | None:
    """Return how a layer has to change, None if it stays: always for encrypted layers and unknown media types.

    ``stated_type`` is the layer's media type in its manifest. An uncompressed layer that is stated to be uncompressed
    keeps its digest unless the form asks for compression. One that is stated to be compressed (archives store layers
    uncompressed) or whose image the source ``synthesized`` is compressed where the destination wants that.
    Destinations with `Accepts.ordered` decompress layers themselves.
    """
    now = mediatype.compression(layer.media_type)
    if now is None or accepts.ordered or form.preserve_digests or accepts.unchangeable:
        return None
    if accepts.foreign and has_foreign_urls(layer):
        return None
    if form.decompress:
        return Change("") if now else None
    if not (accepts.compresses or form.compress):
        return None
    if not now:
        stated = mediatype.compression(stated_type)
        wanted = form.compression or form.compress or stated or synthesized
        return Change(form.compression or "gzip", form.level) if wanted and not form.keep_plain else None
    return Change(form.compression, form.level) if form.compression not in ("", now) else None


def typed_like(descriptor: Descriptor, other: Descriptor) -> Descriptor:
    """Return ``descriptor`` with a media type of the family of ``other``'s, for its own compression."""
    compression = mediatype.compression(descriptor.media_type)
    if compression is None:
        return descriptor
    return replace(descriptor, media_type=mediatype.with_compression(other.media_type, compression) or other.media_type)


def stated_diff_ids(graph: Graph) -> dict[Digest, tuple[Digest, ...]]:
    """Return the diff IDs that the configurations of a graph state for each layer, by its digest at the source.

    Configurations without diff IDs are passed over: those of artifacts, and of images built by odd tools. Raises
    `InvalidContent` for one that states another number of layers than its manifest.
    """
    found: dict[Digest, tuple[Digest, ...]] = {}
    for manifest in (graph.root, *graph.children.values()):
        if manifest.config is None or not manifest.is_image or manifest.config.digest not in graph.configs:
            continue
        from ..model.image_config import ImageConfig  # loaded only where something has to change

        diff_ids = ImageConfig.parse(graph.configs[manifest.config.digest]).diff_ids
        if not diff_ids:
            continue
        if len(diff_ids) != len(manifest.layers):
            raise InvalidContent(
                f"manifest {manifest.digest} has {len(manifest.layers)} layers, its configuration names {len(diff_ids)}"
            )
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=True):
            known = found.get(layer.digest, ())
            if diff_id not in known:
                found[layer.digest] = (*known, diff_id)
    return found
