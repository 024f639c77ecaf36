"""Who signs: the interface between those that make signatures and a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..model.digest import Digest
    from ..model.reference import Reference
    from ..model.signature import Signature


class Signer(Protocol):
    """Makes signatures with one key. ``called`` names it in messages; it contains no secret."""

    @property
    def called(self) -> str: ...

    async def prepare(self) -> None:
        """Read the key, so that what is wrong with it is an error before anything is copied.

        Raises `InvalidInput`, `CredentialsFailed` or `Unsupported`.
        """
        ...

    async def sign(self, digest: Digest, identity: Reference) -> Signature:
        """Sign a manifest ``digest`` as the image ``identity``; raises what `prepare` does, and `NetworkError`."""
        ...
