"""The annotations of a layer that holds a payload of sigstore, as cosign writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .refusals import SignatureRefused

if TYPE_CHECKING:
    from ..model.signature import Signature

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
"""The media type of the payload."""

SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
"""The signature of the payload, in base64."""

CERTIFICATE_ANNOTATION = "dev.sigstore.cosign/certificate"
"""The certificate of the key, in PEM."""

CHAIN_ANNOTATION = "dev.sigstore.cosign/chain"
"""The authorities above the certificate, up to the root, in PEM."""

LOG_ENTRY_ANNOTATION = "dev.sigstore.cosign/bundle"
"""The entry in Rekor's log with its signed timestamp, as JSON."""


def annotation(signature: Signature, name: str) -> str:
    """Return the value of an annotation; raises `SignatureRefused` without it."""
    found = signature.annotations.get(name)
    if found is None:
        raise SignatureRefused(f"missing {name} annotation")
    return found
