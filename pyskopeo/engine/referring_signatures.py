"""Signatures that refer to an image by themselves: bundles of sigstore, and the images with cosign's tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, RegistryError, TooLarge, Unsupported
from ..model.referrer import artifact_type
from ..model.signature import MAX_SIGNATURES, SIGNATURE_LIMIT, Signature
from ..streams.concurrency import each

if TYPE_CHECKING:
    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
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

    None is verified; a bundle may be of an attestation, too, unless it is over `SIGNATURE_LIMIT` bytes. Places without
    referrers have none, and what is listed and not there is none. Raises the source's errors, `InvalidContent` for a
    referrer that is no manifest with layers, and `TooLarge` for more than `MAX_SIGNATURES`, or more bytes than
    `TOTAL_LIMIT`.
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
    reading = _Reading(source.for_referrers(), digest)
    await each(enumerate(wanted), reading.read, at_once=_MANIFESTS_AT_ONCE)
    return tuple(signature for number in sorted(reading.found) for signature in reading.found[number])


class _Reading:
    """Reads referrers of the manifest ``digest``; ``found`` are the signatures in each, by its number."""

    def __init__(self, source: ImageSource, digest: Digest) -> None:
        self._source, self._digest = source, digest
        self._total = 0
        self.found: dict[int, tuple[Signature, ...]] = {}

    async def read(self, numbered: tuple[int, Referrer]) -> None:
        number, referrer = numbered
        try:
            manifest = await self._source.manifest(referrer.descriptor)
        except NotFound:
            return
        except RegistryError as error:
            if error.status != 404:
                raise
            return
        where = f"the referrer {referrer.tag or referrer.descriptor.digest}"
        if manifest.is_index:
            raise InvalidContent(f"{where} is an index, want a manifest with the signature in its layers")
        self.found[number] = await (self._layers if referrer.tag else self._bundle)(manifest, where)

    async def _bundle(self, manifest: Manifest, where: str) -> tuple[Signature, ...]:
        if not artifact_type(manifest).startswith(_BUNDLE):
            return ()
        if len(manifest.layers) != 1:
            raise InvalidContent(f"{where} has {len(manifest.layers)} layers, want one: a bundle of sigstore")
        # An attestation, with a list of packages for instance; a signature is never as large.
        if manifest.layers[0].size > SIGNATURE_LIMIT:
            return ()
        return (Signature("bundle", await self._content(manifest.layers[0]), where=where),)

    async def _layers(self, manifest: Manifest, where: str) -> tuple[Signature, ...]:
        """Return the signatures in the layers of an image with cosign's tag."""
        if len(manifest.layers) > MAX_SIGNATURES:
            raise TooLarge(f"{where} has more than {MAX_SIGNATURES} signatures", limit=MAX_SIGNATURES)
        found = []
        for number, layer in enumerate(manifest.layers, 1):
            content = await self._content(layer)
            found.append(Signature("sigstore", content, layer.media_type, layer.annotations, f"{where} layer {number}"))
        return tuple(found)

    async def _content(self, layer: Descriptor) -> bytes:
        self._total += layer.size
        Signature.check_total(1, self._total, str(self._digest))
        return await self._source.blob(layer).read(SIGNATURE_LIMIT)
