"""Signatures that are checked without a policy: against keys, or an identity in certificates, that the user names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..config.policy_identities import ExactRepository, MatchRepository
from ..config.policy_keys import KeyFile
from ..errors import InvalidInput
from ..fast_dataclass import dataclass, replace
from .report import CheckedRequirement
from .sigstore_trust import SigstoreTrust

if TYPE_CHECKING:
    from datetime import datetime

    from ..config.policy_identities import SignedIdentity
    from ..model.signature import Signature
    from .verdict import SignedImage, Verdict

_ARMOR, _PUBLIC_KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----BEGIN "
# Of cosign, sigstore, PKCS #8, RSA, elliptic curves, and OpenPGP.
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY")


@dataclass(frozen=True, slots=True)
class GivenTrust:
    """Who may have signed: the owner of one of the OpenPGP ``keyrings``, or whom ``sigstore`` names; one is enough.

    ``signed_as`` is the repository that has to be signed, HOST/REPOSITORY; "": that of the image, if its name contains
    a registry reference, else any. The tag is not compared.
    """

    keyrings: tuple[KeyFile, ...] = ()
    sigstore: SigstoreTrust | None = None
    signed_as: str = ""

    @classmethod
    def of(
        cls, keys: Sequence[KeyFile], sigstore: SigstoreTrust | None = None, signed_as: str = ""
    ) -> GivenTrust:
        """Sort key files by their content; raises `InvalidInput` for one that is neither OpenPGP nor PEM."""
        kinds = [_is_openpgp(key) for key in keys]
        keyrings = tuple(key for key, is_openpgp in zip(keys, kinds, strict=True) if is_openpgp)
        public = tuple(key for key, is_openpgp in zip(keys, kinds, strict=True) if not is_openpgp)
        if public:
            sigstore = replace(sigstore or SigstoreTrust(), keys=public)
        return cls(keyrings, sigstore, signed_as)

    def identity(self, image: SignedImage) -> SignedIdentity | None:
        """Return what a signature has to be for; None: anything."""
        if self.signed_as:
            return ExactRepository(self.signed_as)
        return MatchRepository() if image.reference is not None else None


def judge(
    trust: GivenTrust, image: SignedImage, signatures: Sequence[Signature], now: datetime
) -> CheckedRequirement:
    """Check all signatures of a manifest; ``now`` is in UTC.

    A bundle that names no image is accepted for the digest that it is for, unless ``signed_as`` is given. Raises
    `Unsupported` if a package that is needed is not installed.
    """
    kind = "certificate" if trust.sigstore is not None and trust.sigstore.keyless is not None else "key"
    return CheckedRequirement.of(kind, "", tuple(_verdicts(trust, image, signatures, now)))


def _verdicts(
    trust: GivenTrust, image: SignedImage, signatures: Sequence[Signature], now: datetime
) -> Iterator[Verdict]:
    from . import sigstore_signing, simple_signing
    from .verdict import Verdict

    identity, keyrings = trust.identity(image), [key.content for key in trust.keyrings]
    for signature in signatures:
        if signature.format == "simple" and keyrings:
            yield simple_signing.verify(signature, image, keyrings, identity, now)
        elif signature.format == "sigstore" and trust.sigstore is not None:
            yield sigstore_signing.verify(signature, image, trust.sigstore, identity, now)
        elif signature.format == "bundle" and trust.sigstore is not None:
            yield _judge_bundle(trust, trust.sigstore, image, signature, now)
        else:
            wanted = "an OpenPGP key" if signature.format == "simple" else "a key or a certificate of sigstore"
            yield Verdict(
                accepted=False, reason=f"it could be checked with {wanted} only, and none is given",
                where=signature.where, format=signature.format,
            )  # fmt: skip


def _judge_bundle(
    trust: GivenTrust, sigstore: SigstoreTrust, image: SignedImage, signature: Signature, now: datetime
) -> Verdict:
    """Judge a bundle: one that names an image has to name this one, and with ``signed_as`` it has to name one."""
    from .bundles import verify
    from .identities import refusal

    identity = trust.identity(image)
    if identity is None or trust.signed_as:
        return verify(signature, image, sigstore, identity, now)
    verdict = verify(signature, image, sigstore, None, now)
    if not verdict.accepted or not verdict.identity:
        return verdict
    reason = refusal(identity, image.reference, verdict.identity)
    return replace(verdict, accepted=not reason, reason=reason)


def _is_openpgp(key: KeyFile) -> bool:
    content = key.content.lstrip()
    if content.startswith(_ARMOR) or content[:1] >= b"\x80":
        return True
    if _PRIVATE_KEY.match(content):
        raise InvalidInput(f"{key.where} is a private key: want the public key that belongs to it")
    if content.startswith(_PUBLIC_KEY):
        return False
    raise InvalidInput(f"{key.where} is no key: want an OpenPGP keyring, or a public key in PEM")
