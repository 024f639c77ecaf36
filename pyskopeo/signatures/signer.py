"""Who signs: the interface between those that make signatures and a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..model.digest import Digest
    from ..model.reference import Reference
    from ..model.signature import Signature, SignatureFormat


class Signer(Protocol):
    """Makes signatures with one key.

    ``called`` names the key in messages; it contains no secret. ``format`` is that of the signatures. ``method`` is
    what skopeo says while it makes one: "Signing image using ...".
    """

    @property
    def called(self) -> str: ...

    @property
    def format(self) -> SignatureFormat: ...

    @property
    def method(self) -> str: ...

    async def prepare(self) -> None:
        """Read the key, so that what is wrong with it is an error before anything is copied.

        Raises `InvalidInput`, `StorageFailed`, `CredentialsFailed`, `NetworkError` or `Unsupported`.
        """
        ...

    async def sign(self, digest: Digest, identity: Reference) -> Signature:
        """Sign a manifest ``digest`` as the image ``identity``; raises what `prepare` does, and `NetworkError`."""
        ...
