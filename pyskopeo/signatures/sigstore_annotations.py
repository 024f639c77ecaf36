"""The annotations of a layer that holds a payload of sigstore, as cosign writes them."""

from __future__ import annotations

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
