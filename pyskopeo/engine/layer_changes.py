"""Decide how the compression and encryption of layers change during a copy; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CannotPreserve, InvalidContent, InvalidInput, Unsupported
from ..fast_dataclass import replace
from ..model import mediatype
from ..model.change import Change
from .plan import has_foreign_urls

if TYPE_CHECKING:
    from ..interfaces import Accepts
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .plan import Form, Graph


def layer_change(
    layer: Descriptor, stated_type: str, accepts: Accepts, form: Form, *, synthesized: bool, encrypt: bool = False
) -> Change | None:
    """Return how a layer has to change, None if it stays.

    ``stated_type`` is the layer's media type in its manifest, ``encrypt`` whether it is to be encrypted; one that is
    encrypted already stays as it is. `Accepts.unchangeable` is why its manifest must not change. Raises
    `CannotPreserve` for a layer that has to be encrypted or decrypted but must not change, and `Unsupported` for one of
    an unknown media type.
    """
    if not (encrypt or form.decryption is not None):
        return _compression_change(layer, stated_type, accepts, form, synthesized=synthesized)
    decrypt = mediatype.is_encrypted(layer.media_type)
    if (decrypt and form.decryption is None) or (accepts.foreign and has_foreign_urls(layer)):
        return None
    if not decrypt and not encrypt:
        return _compression_change(layer, stated_type, accepts, form, synthesized=synthesized)
    plain = replace(layer, media_type=mediatype.decrypted(layer.media_type))
    verb = "decrypt" if decrypt else "encrypt"
    if mediatype.compression(plain.media_type) is None:
        kind = ascii(layer.media_type)[:100]
        raise Unsupported(f"layer {layer.digest} cannot be {verb}ed: no such operation for mediatype {kind}")
    reason = "Instructed to preserve digests" if form.preserve_digests else accepts.unchangeable
    if reason:
        raise CannotPreserve(f'layer {layer.digest} should be {verb}ed, but we cannot modify the manifest: "{reason}"')
    stated = mediatype.decrypted(stated_type)
    change = _compression_change(plain, stated, accepts, form, synthesized=synthesized)
    return replace(change or Change(None), cipher=verb)


def _compression_change(
    layer: Descriptor, stated_type: str, accepts: Accepts, form: Form, *, synthesized: bool
) -> Change | None:
    """Return how the compression of a layer has to change: never for encrypted layers and unknown media types.

    An uncompressed layer that is stated to be uncompressed keeps its digest unless the form asks for compression. One
    that is stated to be compressed (archives store layers uncompressed) or whose image the source ``synthesized`` is
    compressed where the destination wants that. Destinations with `Accepts.ordered` decompress layers themselves.
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


def is_compression_chosen(form: Form) -> bool:
    """Return whether the form names a compression, or none, for all layers."""
    return bool(form.compression) or form.decompress


def has_encrypted_layers(manifest: Manifest) -> bool:
    """Return whether any layer of an image is encrypted."""
    return any(mediatype.is_encrypted(layer.media_type) for layer in manifest.layers)


def changes_ciphers(manifest: Manifest, form: Form) -> bool:
    """Return whether layers of an image may have to be encrypted or decrypted."""
    return form.encryption is not None or (form.decryption is not None and has_encrypted_layers(manifest))


def layers_to_encrypt(graph: Graph, form: Form) -> frozenset[Digest]:
    """Return the digests of the layers to encrypt, of all images of a graph.

    The indexes that were asked for count for each image. A layer that several images or places share is encrypted
    everywhere if it is anywhere. Raises `InvalidInput` for an index that an image does not have, and `Unsupported` for
    what is no image with layers.
    """
    if form.encryption is None:
        return frozenset()
    if graph.entry_blobs:
        raise Unsupported("the index lists blobs, as a build cache does, and only layers of images are encrypted")
    found: set[Digest] = set()
    for manifest in (graph.root, *graph.children.values()):
        if manifest.is_index:
            continue
        if not manifest.is_image:
            kind = manifest.media_type if manifest.is_schema1 else ascii(manifest.artifact_type)[1:-1][:100]
            raise Unsupported(
                f"manifest {manifest.digest} is of type {kind}: only images are encrypted, of OCI and Docker's schema 2"
            )
        number = len(manifest.layers)
        for index in form.encryption.layers or range(number):
            if not -number <= index < number:
                raise InvalidInput(
                    f"when choosing layers to encrypt, layer index {index} out of range ({number} layers exist)"
                )
            found.add(manifest.layers[index].digest)
    return frozenset(found)


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
