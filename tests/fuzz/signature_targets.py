"""What is fuzzed of signatures of sigstore; the keys are the same in every run, so that entries of the corpus are signed."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.model.signature import Signature
from pyskopeo.signatures import bundles, sigstore_signing
from pyskopeo.signatures.sigstore_trust import FulcioTrust, KeylessTrust, PkiTrust, SigstoreTrust
from pyskopeo.signatures.trusted_roots import TrustedRoot
from pyskopeo.signatures.verdict import SignedImage, Verdict
from tests.support.sigstore_authority import EMAIL, ISSUER, NOW, Authority, public_pem
from tests.support.sigstore_bundles import trusted_root
from tests.support.sigstore_log import TransparencyLog

IMAGE = SignedImage(b"{}", "dir:image")


@cache
def key(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(number, ec.SECP256R1())


@cache
def authority() -> Authority:
    return Authority(root_key=key(3), issuing_key=key(4), ct_key=key(5))


def log() -> TransparencyLog:
    return TransparencyLog(key(2))


@cache
def trusts() -> tuple[SigstoreTrust, ...]:
    """By a key, by a key and a log, by Fulcio, by other authorities, and by a trusted root."""
    keys, rekor = (KeyFile(public_pem(key(1)), "key"),), (KeyFile(log().public_pem, "rekor"),)
    roots = KeyFile(authority().root_pem, "roots")
    return (
        SigstoreTrust(keys=keys),
        SigstoreTrust(keys=keys, rekor_keys=rekor),
        SigstoreTrust(fulcio=FulcioTrust(roots, ISSUER, EMAIL), rekor_keys=rekor),
        SigstoreTrust(pki=PkiTrust(roots, subject_email=EMAIL)),
    )


@cache
def keyless() -> SigstoreTrust:
    root = KeyFile(trusted_root(authority(), log()), "trusted_root.json")
    return SigstoreTrust(keyless=KeylessTrust(root, EMAIL, ISSUER))


def judged(data: bytes) -> list[Verdict]:
    """The verdicts of a file ``signature-N``."""
    signature = Signature.parse(data, "signature-1")
    return [sigstore_signing.verify(signature, IMAGE, trust, None, NOW) for trust in (*trusts(), keyless())]


def judged_bundle(data: bytes) -> list[Verdict]:
    """The verdicts of a bundle; without the package sigstore, which has a trusted root to itself."""
    return [bundles.verify(Signature("bundle", data), IMAGE, trust, None, NOW) for trust in trusts()]


def parse_root(data: bytes) -> None:
    """Read a trusted root; raises `InvalidContent`."""
    TrustedRoot.parse(KeyFile(data, "trusted_root.json"))
