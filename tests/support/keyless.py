"""Signing with certificates: the command line, its parameters, and what became of it."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography import x509

from pyskopeo.model.signature import Signature
from pyskopeo.signatures.sigstore_annotations import CERTIFICATE_ANNOTATION

from .exchange import Headers
from .sigstore_services import SigstoreServices

CERTIFY, RECORD = "/api/v1/signingCert", "/api/v1/log/entries"
JSON: Headers = (("Content-Type", "application/json"),)


def write_parameters(folder: Path, services: SigstoreServices, **fulcio: str) -> Path:
    """Parameters for a certificate of Fulcio, recorded by Rekor."""
    path = folder / "parameters.yaml"
    path.write_text(json.dumps({"fulcio": {"fulcioURL": services.url, **fulcio}, "rekorURL": services.url}))
    return path


def given(folder: Path, services: SigstoreServices, **claims: object) -> Path:
    return write_parameters(folder, services, oidcMode="staticToken", oidcIDToken=services.token(**claims))


def words(parameters: Path, source: Path) -> tuple[object, ...]:
    target = parameters.parent / "signed"
    return ("copy", "-q", "--retry-delay=10ms", f"--sign-by-sigstore={parameters}", "--sign-identity=example.com/a:1", f"dir:{source}", f"dir:{target}")


def signed(folder: Path) -> Signature:
    return Signature.parse((folder / "signed/signature-1").read_bytes(), "signature-1")


def signer(signature: Signature) -> list[str]:
    """Whom the certificate in a signature is for."""
    certificate = x509.load_pem_x509_certificate(signature.annotations[CERTIFICATE_ANNOTATION].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]
