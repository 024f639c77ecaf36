"""Signers without keys."""

from __future__ import annotations

from typing import Final

from pyskopeo.errors import CredentialsFailed
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.model.signature import Signature, SignatureFormat


class NamedSigner:
    """Signs with its name; without one it has no key."""

    method: Final = "Signing image using its name"

    def __init__(self, called: str, format: SignatureFormat = "simple") -> None:
        self.called = called
        self.format: SignatureFormat = format

    async def prepare(self) -> None:
        """Nothing to read."""

    async def sign(self, digest: Digest, identity: Reference) -> Signature:
        if not self.called:
            raise CredentialsFailed("no key")
        return Signature(self.format, f"{self.called} {identity}".encode())
