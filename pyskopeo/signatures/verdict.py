"""What is judged, and the judgement: an image as it was named, and whether one signature is enough."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ..errors import InvalidContent, Unsupported
from ..fast_dataclass import dataclass
from ..model.content_digest import content_digest
from ..model.digest import Digest

if TYPE_CHECKING:
    from ..model.reference import Reference


@dataclass(frozen=True, slots=True)
class SignedImage:
    """The manifest that a signature has to be for.

    ``manifest`` are its bytes. ``reference`` is the registry reference that the user named, None for an image whose
    name contains none, such as ``dir:PATH``; ``name`` is the whole image name, for messages.
    """

    manifest: bytes = field(repr=False)
    name: str
    reference: Reference | None = None

    def has_digest(self, digest: str) -> bool:
        """Return whether ``digest`` is that of the manifest.

        False for text that is no digest which can be computed, and for a manifest of schema 1 whose own signatures are
        malformed, of which no digest is.
        """
        try:
            wanted = Digest.parse(digest)
            return content_digest(self.manifest, wanted.algorithm) == wanted
        except (InvalidContent, Unsupported):
            return False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one signature satisfies a requirement.

    ``reason`` says in one line why it does not, "" if it does. ``signer`` is who made it, as far as that is proven: a
    fingerprint, a key's file, the identity in a certificate. ``identity`` is the image name that the signature is for,
    and ``digest`` the digest, as it claims: neither is proven by a signature that is refused. ``where`` is the place of
    the signature, and ``format`` its format.
    """

    accepted: bool
    reason: str = ""
    signer: str = ""
    identity: str = ""
    digest: str = ""
    where: str = ""
    format: str = ""
