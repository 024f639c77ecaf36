"""A certificate authority as Fulcio is one, and the log of its certificates; nothing here uses a network or a clock.

An HTTP service around it only has to call `Authority.issue`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""The time at which tests take place, unless they say another one."""

ISSUER = "https://issuer.example"
EMAIL = "signer@example.com"
CODE_SIGNING = (ExtendedKeyUsageOID.CODE_SIGNING,)

_FULCIO = "1.3.6.1.4.1.57264.1"
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
    "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: PrivateKey | PublicKey) -> bytes:
    return _public(key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_der(key: PrivateKey | PublicKey) -> bytes:
    return _public(key).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public(key: PrivateKey | PublicKey) -> PublicKey:
    return key.public_key() if hasattr(key, "public_key") else key


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def utf8_string(text: str) -> bytes:
    """Text as an ASN.1 UTF8String in DER."""
    content = text.encode()
    size = bytes([len(content)]) if len(content) < 0x80 else b"\x82" + struct.pack(">H", len(content))
    if 0x80 <= len(content) < 0x100:
        size = b"\x81" + bytes([len(content)])
    return b"\x0c" + size + content


def key_usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _USAGES})


def fulcio_extensions(issuer: str = ISSUER, build_signer: str = "") -> tuple[x509.UnrecognizedExtension, ...]:
    """What Fulcio records: who vouched for the identity, in both forms, and the workflow."""
    values = {"1": issuer.encode(), "8": utf8_string(issuer)} if issuer else {}
    if build_signer:
        values["9"] = utf8_string(build_signer)
    return tuple(x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_FULCIO}.{number}"), value) for number, value in values.items())


@dataclass(frozen=True)
class Issuer:
    """A certificate that may issue others, with its key."""

    certificate: x509.Certificate
    key: PrivateKey


def certificate(
    name: str,
    public_key: PublicKey,
    issuer: Issuer | PrivateKey,
    *,
    valid_from: datetime,
    valid_to: datetime,
    extensions: Sequence[x509.ExtensionType | tuple[x509.ExtensionType, bool]] = (),
) -> x509.Certificate:
    """A certificate; with a key for the issuer it signs itself. An extension in a pair is critical or not as it says."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    signed_by = issuer.certificate.subject if isinstance(issuer, Issuer) else subject
    key = issuer.key if isinstance(issuer, Issuer) else issuer
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(signed_by).public_key(public_key)
        .serial_number(int.from_bytes(hashlib.sha256(public_der(public_key)).digest()[:8], "big") | 1)
        .not_valid_before(valid_from).not_valid_after(valid_to)
    )  # fmt: skip
    for extension in extensions:
        value, critical = extension if isinstance(extension, tuple) else (extension, False)
        builder = builder.add_extension(value, critical)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


@dataclass
class Authority:
    """A root, an authority below it that issues certificates, and a log that has seen each of them (RFC 6962)."""

    name: str = "sigstore"
    valid_from: datetime = NOW - timedelta(days=3650)
    valid_to: datetime = NOW + timedelta(days=3650)
    root_key: PrivateKey = field(default_factory=new_key)
    issuing_key: PrivateKey = field(default_factory=new_key)
    ct_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        authority = (x509.BasicConstraints(True, None), True), (key_usage("key_cert_sign", "crl_sign"), True)
        times = {"valid_from": self.valid_from, "valid_to": self.valid_to}
        self.root = certificate(f"{self.name} root", self.root_key.public_key(), self.root_key, extensions=authority, **times)
        self.issuing = certificate(
            f"{self.name} intermediate", self.issuing_key.public_key(), Issuer(self.root, self.root_key),
            extensions=(*authority, x509.ExtendedKeyUsage(CODE_SIGNING)), **times,
        )  # fmt: skip

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.issuing, self.issuing_key)

    @property
    def root_pem(self) -> bytes:
        return pem(self.root)

    @property
    def chain_pem(self) -> bytes:
        """The authorities above a certificate, the root last."""
        return pem(self.issuing, self.root)

    def issue(
        self,
        public_key: PublicKey,
        *names: x509.GeneralName,
        oidc_issuer: str = ISSUER,
        build_signer: str = "",
        valid_from: datetime = NOW - timedelta(minutes=5),
        valid_to: datetime = NOW + timedelta(minutes=5),
        extended: Sequence[x509.ObjectIdentifier] = CODE_SIGNING,
        logged: bool = True,
    ) -> x509.Certificate:
        """A certificate for ``names``, `EMAIL` without any; with ``logged``, the log's timestamp is in it."""
        extensions: list[x509.ExtensionType | tuple[x509.ExtensionType, bool]] = [
            (key_usage("digital_signature"), True),
            (x509.SubjectAlternativeName(names or [x509.RFC822Name(EMAIL)]), True),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuing_key.public_key()),
            *fulcio_extensions(oidc_issuer, build_signer),
        ]
        if extended:
            extensions.append(x509.ExtendedKeyUsage(extended))
        times = {"valid_from": valid_from, "valid_to": valid_to}
        found = certificate("", public_key, self.issuer, extensions=extensions, **times)
        if not logged:
            return found
        stamp = x509.UnrecognizedExtension(_SCT_LIST, self._timestamps(found.tbs_certificate_bytes, valid_from))
        return certificate("", public_key, self.issuer, extensions=[*extensions, stamp], **times)

    def _timestamps(self, precertificate: bytes, time: datetime) -> bytes:
        """The list of one signed certificate timestamp, in an OCTET STRING (RFC 6962, sections 3.2 and 3.3)."""
        milliseconds = int(time.timestamp() * 1000)
        issuer = hashlib.sha256(public_der(self.issuing_key)).digest()
        signed = struct.pack(">BBQH", 0, 0, milliseconds, 1) + issuer + len(precertificate).to_bytes(3, "big")
        signature = self.ct_key.sign(signed + precertificate + b"\0\0", ec.ECDSA(hashes.SHA256()))
        log = hashlib.sha256(public_der(self.ct_key)).digest()
        stamp = b"\0" + log + struct.pack(">QHBBH", milliseconds, 0, 4, 3, len(signature)) + signature
        listed = struct.pack(">HH", len(stamp) + 2, len(stamp)) + stamp
        return b"\x04" + (b"\x81" if len(listed) >= 0x80 else b"") + bytes([len(listed)]) + listed
