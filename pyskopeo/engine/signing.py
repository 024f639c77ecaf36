"""The signing of what a copy writes: who signs, and as which image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInput, PyskopeoError, Unsupported, prefix_errors
from ..fast_dataclass import dataclass
from ..streams.concurrency import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..interfaces import ImageDestination, ImageReference
    from ..model.digest import Digest
    from ..model.reference import Reference
    from ..model.signature import Signature, SignatureFormat
    from ..signatures.signer import Signer


@dataclass(frozen=True, slots=True)
class Signing:
    """The ``signers`` of a copy, each of which signs every manifest as the image ``identity``; None: there are none."""

    signers: tuple[Signer, ...] = ()
    identity: Reference | None = None

    @classmethod
    def of(
        cls, signers: Sequence[Signer], identity: Reference | None, name: ImageReference, destination: ImageDestination
    ) -> Signing:
        """Return the signing as ``identity``, None: as ``name``, the destination's.

        In skopeo's words, but before anything is copied, raises `Unsupported` if the destination cannot store the
        signatures, and `InvalidInput` if the identity is not the name of one image in a registry.
        """
        if not signers:
            return NO_SIGNING
        for signer in signers:
            if reason := destination.why_unsigned(signer.format):
                raise Unsupported(f"writing signatures: {reason}: {name.image_name} has no place for them")
        if identity is not None and not identity.manifest_name:
            raise InvalidInput(f"Sign identity must be a fully specified reference {identity}: want one with a tag")
        found = identity or name.reference
        if found is None:
            raise InvalidInput(
                f"Cannot determine canonical Docker reference for destination {name.image_name}: "
                "give the name to sign it as with copy --sign-identity"
            )
        if not found.manifest_name:
            raise InvalidInput(
                f"reference {found} can't be signed, it has neither a tag nor a digest: "
                "give the name to sign it as with copy --sign-identity"
            )
        return cls(tuple(signers), found)

    async def prepare(self) -> None:
        """Have every signer read its key, one after the other, since they may ask the user; raises their errors."""
        for signer in self.signers:
            await signer.prepare()

    async def sign(self, digest: Digest) -> list[Signature]:
        """Return a signature of a manifest by each signer, in their order; raises their errors."""
        made = []
        for number, signer in enumerate(self.signers, 1):
            assert self.identity is not None
            with prefix_errors("creating signature" if len(self.signers) == 1 else f"creating signature {number}"):
                made.append(await signer.sign(digest, self.identity))
        return made


class PreparedOnce:
    """A signer for several copies at a time, which is prepared once for all of them. A `Signer`."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._prepared: SingleFlight[None, None] = SingleFlight(remembered=PyskopeoError)

    @property
    def called(self) -> str:
        """The signer's own name."""
        return self._signer.called

    @property
    def format(self) -> SignatureFormat:
        """The format of its signatures."""
        return self._signer.format

    @property
    def method(self) -> str:
        """What skopeo says while it signs."""
        return self._signer.method

    async def prepare(self) -> None:
        """Prepare the signer, if nobody has; raises what that raised, each time."""
        await self._prepared.get(None, self._signer.prepare)

    async def sign(self, digest: Digest, identity: Reference) -> Signature:
        """Sign with it; raises its errors."""
        return await self._signer.sign(digest, identity)


NO_SIGNING = Signing()
"""Nothing is signed."""
