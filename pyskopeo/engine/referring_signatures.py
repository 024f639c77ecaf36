"""Signatures that refer to an image by themselves: bundles of sigstore, and the images with cosign's tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidContent, TooLarge, Unsupported
from ..model.referrer import artifact_type
from ..model.signature import MAX_SIGNATURES, SIGNATURE_LIMIT, Signature
from ..streams.concurrency import each

if TYPE_CHECKING:
    from ..interfaces import ImageSource
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.referrer import Referrer

_BUNDLE = "application/vnd.dev.sigstore.bundle"
_SIGNATURES = ".sig"
_MANIFESTS_AT_ONCE = 8


async def read_referring_signatures(
    source: ImageSource, digest: Digest, *, cosign_tags: bool = True
) -> tuple[Signature, ...]:
    """Return the bundles of sigstore that refer to a manifest, and with ``cosign_tags`` the signatures with such a tag.

    None is verified; a bundle may be of an attestation, too. Places without referrers have none. Raises the source's
    errors, `InvalidContent` for a referrer that is no manifest with layers, and `TooLarge` for more than
    `MAX_SIGNATURES`, or one over `SIGNATURE_LIMIT` bytes.
    """
    try:
        listed = await source.referrers(digest)
        tagged = await source.cosign_tags(digest) if cosign_tags else ()
    except Unsupported:
        return ()
    # One whose type is not stated has to be read.
    bundles = [one for one in listed if not one.artifact_type or one.artifact_type.startswith(_BUNDLE)]
    wanted = [*bundles, *(one for one in tagged if one.tag.endswith(_SIGNATURES))]
    if len(wanted) > MAX_SIGNATURES:
        raise TooLarge(f"{digest}: more than {MAX_SIGNATURES} signatures refer to it", limit=MAX_SIGNATURES)
    found: dict[int, tuple[Signature, ...]] = {}
    reader = source.for_referrers()

    async def read(numbered: tuple[int, Referrer]) -> None:
        number, referrer = numbered
        found[number] = await _read(reader, referrer)

    await each(enumerate(wanted), read, at_once=_MANIFESTS_AT_ONCE)
    return tuple(signature for number in sorted(found) for signature in found[number])


async def _read(source: ImageSource, referrer: Referrer) -> tuple[Signature, ...]:
    manifest = await source.manifest(referrer.descriptor)
    where = f"the referrer {referrer.tag or referrer.descriptor.digest}"
    if manifest.is_index:
        raise InvalidContent(f"{where} is an index, want a manifest with the signature in its layers")
    if referrer.tag:
        return await _layers(source, manifest, where)
    if not artifact_type(manifest).startswith(_BUNDLE):
        return ()
    if len(manifest.layers) != 1:
        raise InvalidContent(f"{where} has {len(manifest.layers)} layers, want one: a bundle of sigstore")
    content = await source.blob(manifest.layers[0]).read(SIGNATURE_LIMIT)
    return (Signature("bundle", content, where=where),)


async def _layers(source: ImageSource, manifest: Manifest, where: str) -> tuple[Signature, ...]:
    """Return the signatures in the layers of an image with cosign's tag."""
    if len(manifest.layers) > MAX_SIGNATURES:
        raise TooLarge(f"{where} has more than {MAX_SIGNATURES} signatures", limit=MAX_SIGNATURES)
    found = []
    for number, layer in enumerate(manifest.layers, 1):
        content = await source.blob(layer).read(SIGNATURE_LIMIT)
        found.append(Signature("sigstore", content, layer.media_type, layer.annotations, f"{where} layer {number}"))
    return tuple(found)
