"""A certificate authority of the tests' own: servers for loopback names, and clients."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
import shutil

from pyskopeo.http.tls import Trust

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Paths of a certificate and its key, both PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What a server needs. With ``client_authority`` it asks every client for a certificate of that CA."""

    pair: KeyPair
    authority: Path
    client_authority: Path | None = None

    def server_context(self) -> ssl.SSLContext:
        """For a server of Python's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pair.certificate, self.pair.key)
        if self.client_authority:
            context.load_verify_locations(self.client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        """For a client that trusts this server's authority alone."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if pair:
            context.load_cert_chain(pair.certificate, pair.key)
        return context


class Authority:
    """A CA whose files are in one folder; its certificate is ``ca.crt`` there."""

    def __init__(self, folder: Path, name: str, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.folder = folder
        self.name = name
        self._key = key
        self._certificate = certificate
        self.path = folder / "ca.crt"

    @classmethod
    def create(cls, folder: Path, name: str = "Test CA") -> Self:
        """Make a new authority with its files in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        key, certificate = _certify(name, None, {"ca": True})
        authority = cls(folder, name, key, certificate)
        authority.path.write_bytes(_pem(certificate))
        return authority

    def server(
        self,
        name: str = "server",
        *,
        hosts: tuple[str, ...] = LOOPBACK,
        expired: bool = False,
        identifiers: bool = True,
        client_authority: Path | None = None,
    ) -> ServerCertificate:
        """A server's certificate for ``hosts`` (names and addresses), valid now unless ``expired``.

        Without ``identifiers`` it lacks those of its key and its authority's, as many a company's certificate does.
        """
        pair = self._issue(name, {"hosts": hosts, "expired": expired, "identifiers": identifiers})
        return ServerCertificate(pair, self.path, client_authority)

    def client(self, name: str = "client") -> KeyPair:
        """A client's certificate."""
        return self._issue(name, {"client": True})

    def both(self, name: str) -> KeyPair:
        """The certificate of a program that is a server and a client, without any names of hosts."""
        return self._issue(name, {})

    def _issue(self, name: str, options: dict[str, object]) -> KeyPair:
        from cryptography.hazmat.primitives import serialization as pem

        key, certificate = _certify(name, (self._certificate, self._key), options)
        pair = KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        pair.certificate.write_bytes(_pem(certificate))
        pair.key.write_bytes(
            key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()),
        )
        return pair


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _certify(
    name: str, issuer: tuple[x509.Certificate, EllipticCurvePrivateKey] | None, options: dict[str, object]
) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer_name, signer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    now = dt.datetime.now(dt.UTC)
    ends = now - dt.timedelta(days=1) if options.get("expired") else now + dt.timedelta(days=2)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=3))
        .not_valid_after(ends)
    )
    if options.get("identifiers", True):
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key())
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(authority, critical=False)
    for extension, critical in _extensions(options):
        builder = builder.add_extension(extension, critical=critical)
    return key, builder.sign(signer_key, hashes.SHA256())


def _extensions(options: dict[str, object]) -> list[tuple[x509.ExtensionType, bool]]:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    is_ca = bool(options.get("ca"))
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), True),
        (
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            True,
        ),
    ]
    if "hosts" in options:
        hosts = options["hosts"]
        assert isinstance(hosts, tuple)
        found.append((x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False))
        found.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    if options.get("client"):
        found.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False))
    return found


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def certificates(folder: Path, authority: Authority, client: str = "") -> Trust:
    """A ``certs.d`` directory that trusts ``authority``, perhaps with a client's certificate."""
    folder.mkdir()
    shutil.copy(authority.path, folder / "ca.crt")
    if client:
        pair = authority.client(client)
        shutil.copy(pair.certificate, folder / "client.cert")
        shutil.copy(pair.key, folder / "client.key")
    return Trust(cert_dir=folder)
