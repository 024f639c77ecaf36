"""Certificates, and chains of them from authorities that are trusted (RFC 5280, section 6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..errors import Unsupported
from .json_members import one_line
from .pem import all_blocks, first_block
from .public_keys import supported_key
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Certificate

    from ..config.policy_keys import KeyFile
    from .public_keys import PublicKey

_LABEL = "CERTIFICATE"
# What cryptography adds to its messages.
_DETAIL = re.compile(r"^validation failed: |candidates exhausted: | \(encountered processing .*$", re.DOTALL)
_NO_ISSUER = "all candidates exhausted with no interior errors"
_SETTING = Lock()
MAX_CERTIFICATES = 32
"""The maximum number of certificates that one signature may bring."""


def load_authorities(file: KeyFile) -> tuple[Certificate, ...]:
    """Return the certificates of a file in PEM, which may contain other text; raises `SignatureRefused`."""
    found: list[Certificate] = []
    rest = file.content
    while b"-----BEGIN " in rest:
        block, rest = first_block(rest, file.where)
        if block.label == _LABEL:
            found.append(parse_certificate(block.content, f"a certificate of {file.where}"))
    if not found:
        raise SignatureRefused(f"{file.where} holds no certificate in PEM format")
    return tuple(found)


def load_certificates(text: str, what: str) -> tuple[Certificate, ...]:
    """Return the certificates of an annotation in PEM, in order; raises `SignatureRefused`, as for other text in it."""
    blocks = all_blocks(text.encode(errors="replace"), what)
    if len(blocks) > MAX_CERTIFICATES:
        raise SignatureRefused(f"{what} has more than {MAX_CERTIFICATES} certificates")
    for block in blocks:
        if block.label != _LABEL:
            raise SignatureRefused(f"{what} holds a {block.label}")
    return tuple(parse_certificate(block.content, what) for block in blocks)


def load_leaf(text: str) -> Certificate:
    """Return the only certificate of an annotation; raises `SignatureRefused`."""
    found = load_certificates(text, "the signature's certificate")
    if len(found) != 1:
        raise SignatureRefused(f"want one certificate in the signature's certificate data, found {len(found)}")
    return found[0]


def load_intermediates(text: str) -> tuple[Certificate, ...]:
    """Return the authorities of the annotation ``dev.sigstore.cosign/chain`` but the last one, which is the root."""
    return load_certificates(text, "the certificate chain")[:-1]


def parse_certificate(content: bytes, what: str) -> Certificate:
    """Parse a certificate (DER), with its extensions; raises `SignatureRefused`."""
    import warnings

    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.utils import CryptographyDeprecationWarning

    malformed = (
        ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType,
        # What no standard allows but the package still does; it would be printed.
        CryptographyDeprecationWarning,
    )  # fmt: skip
    try:
        # What warnings mean is a setting of the process, which several threads must not change at once.
        with _SETTING, warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            certificate = x509.load_der_x509_certificate(content)
            certificate.extensions  # noqa: B018 - they are parsed when they are first read
    except malformed as error:
        raise SignatureRefused(f"parsing {what}: {one_line(error)}") from None
    return certificate


def certificate_key(certificate: Certificate) -> PublicKey:
    """Return the key of a certificate; raises `SignatureRefused` for one that signatures cannot be verified with."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused(f"parsing the key of a certificate: {one_line(error)}") from None
    return supported_key(key, "the key of a certificate")


def encode_certificate(certificate: Certificate) -> bytes:
    """Return the certificate (DER)."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def check_chain(
    leaf: Certificate, intermediates: Iterable[Certificate], authorities: Sequence[Certificate], time: datetime
) -> list[Certificate]:
    """Return a chain of valid certificates from ``leaf`` to one of ``authorities``, both included.

    All of them have to be valid at ``time``, and none may exclude the signing of code. Raises `SignatureRefused` if
    there is none, and `Unsupported` where the package cryptography is too old for it.
    """
    from cryptography import __version__ as installed
    from cryptography.x509 import UnsupportedGeneralNameType, verification

    if not hasattr(verification, "ExtensionPolicy"):
        raise Unsupported(f"certificates of signatures are verified with cryptography 45 or newer, not {installed}")
    if not authorities:
        raise SignatureRefused("verifying the certificate failed: no authority was trusted at its time")
    authority_policy, leaf_policy = _policies()
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(authorities)))
        .time(time)
        .extension_policies(ca_policy=authority_policy, ee_policy=leaf_policy)
        .build_client_verifier()
    )
    try:
        return verifier.verify(leaf, list(intermediates)).chain
    except (verification.VerificationError, UnsupportedGeneralNameType, ValueError) as error:
        reason = _DETAIL.sub("", one_line(error)).replace(_NO_ISSUER, "no authority that is trusted has issued it")
        as_of = time.strftime("%Y-%m-%d %H:%M:%S UTC")
        raise SignatureRefused(f"verifying the certificate failed, as of {as_of}: {reason}") from None


def _policies() -> tuple[Any, Any]:
    """Return what extensions of authorities, and of a leaf, have to say.

    The rules for web servers, which are the default, demand extensions that authorities for signatures do not write.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID
    from cryptography.x509.verification import Criticality, ExtensionPolicy

    def may_issue(_: Any, __: Any, usage: x509.KeyUsage | None) -> None:
        if usage is not None and not usage.key_cert_sign:
            raise ValueError("an issuer's key must not sign certificates")

    def may_sign_code(_: Any, __: Any, usage: x509.ExtendedKeyUsage | None) -> None:
        allowed = (ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
        if usage is not None and not any(one in allowed for one in usage):
            raise ValueError("a certificate is not for the signing of code")

    any_of = Criticality.AGNOSTIC
    leaf = ExtensionPolicy.permit_all().may_be_present(x509.ExtendedKeyUsage, any_of, may_sign_code)
    authority = (
        ExtensionPolicy.permit_all()
        # That it says that it is an authority is verified by the package, as the length of the path.
        .require_present(x509.BasicConstraints, any_of, None)
        .may_be_present(x509.KeyUsage, any_of, may_issue)
        .may_be_present(x509.ExtendedKeyUsage, any_of, may_sign_code)
    )
    return authority, leaf
