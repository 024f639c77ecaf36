"""Simple signatures by a program that has the keys (containers-signature(5)): what its signers share."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput, Unsupported
from ..model.signature import Signature
from ..signatures.simple_signing import SimplePayload

if TYPE_CHECKING:
    from ..model.digest import Digest
    from ..model.reference import Reference

# What signatures say of who made them; they do not depend on the version.
_CREATOR = "pyskopeo"


class SimpleSigner(ABC):
    """A `Signer` that makes OpenPGP messages; what it is based on says how (`sign_text`)."""

    format: Final = "simple"
    method = "Signing image using simple signing"

    async def sign(self, digest: Digest, identity: Reference) -> Signature:
        """Sign a manifest ``digest`` as the image ``identity``; raises `InvalidInput`, and what `sign_text` does."""
        if not identity.manifest_name:
            raise InvalidInput(f"reference {identity} can't be signed, it has neither a tag nor a digest")
        return await self.sign_as(digest, str(identity))

    async def sign_as(self, digest: Digest, identity: str) -> Signature:
        """Sign a manifest ``digest`` as ``identity``, which may be any text; raises as `sign` does."""
        if digest.algorithm != "sha256":
            raise Unsupported(f"simple signatures are of sha256 digests, not of {digest}")
        if not identity:
            raise InvalidInput("Unexpected empty signature content: no name to sign the image as")
        payload = SimplePayload(identity, str(digest), _CREATOR, int(time.time()))
        return Signature("simple", await self.sign_text(payload.to_bytes()))

    @abstractmethod
    async def sign_text(self, text: bytes) -> bytes:
        """Return a binary OpenPGP message with ``text`` and its signature."""
