"""Bundles with certificates of a sigstore service: by the package sigstore, offline, with a trusted root."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import Unsupported
from .bundle_format import Envelope
from .certificate_subjects import oidc_issuer
from .json_members import one_line, parse_document, shown
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.verify import Verifier

    from .bundle_format import Bundle
    from .sigstore_trust import KeylessTrust

_LIMIT = 16 * 1024 * 1024


def check_keyless(raw: bytes, bundle: Bundle, manifest: bytes, trust: KeylessTrust) -> str:
    """Return who made a bundle, ``raw``: the identity that is trusted, and its issuer.

    The certificate, its timestamp by a log of certificates, the entry of the log of signatures or the timestamps of
    authorities, and the signature are all verified by the package. Raises `SignatureRefused`, and `Unsupported` without
    the package.
    """
    if not bundle.certificates:
        raise SignatureRefused("the bundle is signed by a key, not with a certificate")
    _require_sigstore()
    from sigstore.models import Bundle as Parsed
    from sigstore.verify.policy import AllOf, Identity

    verifier = _verifier(trust)
    policy = AllOf([Identity(identity=trust.certificate_identity), _Issuer(trust.oidc_issuer)])
    content = bundle.content
    try:
        parsed = Parsed.from_json(raw)
        if isinstance(content, Envelope):
            found = verifier.verify_dsse(parsed, policy)
        else:
            verifier.verify_artifact(manifest, parsed, policy)
            found = None
    except SignatureRefused:
        raise
    except Exception as error:  # noqa: BLE001 - the errors of all its parts; whichever it is, nothing is proven
        raise SignatureRefused(f"verifying the bundle failed: {one_line(error)}") from None
    if isinstance(content, Envelope) and found != (content.payload_type, content.payload):
        raise SignatureRefused("the package sigstore has verified another payload than the bundle's")
    return f"{trust.certificate_identity} (issuer {trust.oidc_issuer})"


class _Issuer:
    """Demands an issuer, whichever form Fulcio recorded it in; a policy for the package."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer

    def verify(self, cert: Certificate) -> None:
        if (found := oidc_issuer(cert)) != self._issuer:
            raise SignatureRefused(f"Unexpected Fulcio OIDC issuer {shown(found)}")


def _verifier(trust: KeylessTrust) -> Verifier:
    from sigstore.models import ClientTrustConfig
    from sigstore.verify import Verifier

    file = trust.trusted_root
    # The package reads a trusted root from a path, or as a part of this.
    config: dict[str, Any] = {
        "mediaType": ClientTrustConfig.ClientTrustConfigType.CONFIG_0_1.value,
        "trustedRoot": parse_document(file.content, file.where, _LIMIT),
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},
    }
    try:
        return Verifier(trusted_root=ClientTrustConfig.from_json(json.dumps(config)).trusted_root)
    except Exception as error:  # noqa: BLE001 - as above
        raise SignatureRefused(f"{file.where} is not a trusted root of sigstore: {one_line(error)}") from None


def _require_sigstore() -> None:
    try:
        import sigstore.models
        import sigstore.verify  # noqa: F401 - whether they are there, with what they need
    except ImportError:
        needed = "bundles with certificates need the package sigstore: pip install 'pyskopeo[sigstore]'"
        raise Unsupported(needed) from None
