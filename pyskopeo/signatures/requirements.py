"""Whether the signatures of an image satisfy a requirement of a policy (containers-policy.json(5)); no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.policy_requirements import SignedBy, SigstoreSigned
from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ..config.policy_keys import RequirementKeys
    from ..model.signature import Signature
    from .sigstore_trust import SigstoreTrust
    from .verdict import SignedImage

_OPENPGP_KEYS = "GPGKeys"


def judge(
    requirement: SignedBy | SigstoreSigned, image: SignedImage, signatures: Iterable[Signature], keys: RequirementKeys,
    now: datetime,
) -> Iterator[Verdict]:  # fmt: skip
    """Yield a verdict on each signature that `may_satisfy` a requirement; one that is accepted does satisfy it.

    ``keys`` are those of the requirement (`load_keys`), ``now`` is in UTC. Raises `Unsupported` without the extra that
    verifies signatures of a kind.
    """
    for signature in signatures:
        if not may_satisfy(requirement, signature):
            continue
        if isinstance(requirement, SignedBy):
            yield _judge_simple(requirement, image, signature, keys, now)
        else:
            yield _judge_sigstore(requirement, image, signature, keys, now)


def may_satisfy(requirement: SignedBy | SigstoreSigned, signature: Signature) -> bool:
    """Return whether a signature is of the kind that a requirement asks for."""
    if isinstance(requirement, SignedBy):
        return signature.format == "simple"
    from .sigstore_annotations import PAYLOAD_TYPE

    return signature.format == "bundle" or (signature.format == "sigstore" and signature.media_type == PAYLOAD_TYPE)


def _judge_simple(
    requirement: SignedBy, image: SignedImage, signature: Signature, keys: RequirementKeys, now: datetime
) -> Verdict:
    if requirement.key_type != _OPENPGP_KEYS:
        return _refused(signature, f'Unimplemented "keyType" value "{requirement.key_type}"')
    from .simple_signing import verify

    keyrings = [key.content for key in keys.keys]
    return verify(signature, image, keyrings, requirement.signed_identity, now)


def _judge_sigstore(
    requirement: SigstoreSigned, image: SignedImage, signature: Signature, keys: RequirementKeys, now: datetime
) -> Verdict:
    trust = _trust(requirement, keys)
    if signature.format == "bundle":
        from .bundles import verify as verify_bundle

        return verify_bundle(signature, image, trust, requirement.signed_identity, now)
    from .sigstore_signing import verify

    return verify(signature, image, trust, requirement.signed_identity, now)


def _trust(requirement: SigstoreSigned, keys: RequirementKeys) -> SigstoreTrust:
    from .sigstore_trust import FulcioTrust, PkiTrust, SigstoreTrust

    fulcio = pki = None
    if (said := requirement.fulcio) is not None:
        assert keys.authorities is not None, "a policy without them is refused"
        fulcio = FulcioTrust(keys.authorities, said.oidc_issuer, said.subject_email, said.build_signer_uri)
    if (chain := requirement.pki) is not None:
        assert keys.authorities is not None, "a policy without them is refused"
        pki = PkiTrust(keys.authorities, keys.intermediates, chain.subject_email, chain.subject_hostname)
    return SigstoreTrust(keys.keys, fulcio=fulcio, pki=pki, rekor_keys=keys.rekor_keys)


def _refused(signature: Signature, reason: str) -> Verdict:
    return Verdict(False, reason, where=signature.where, format=signature.format)
