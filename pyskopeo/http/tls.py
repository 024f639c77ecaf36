"""What makes a server believable, and the TLS settings that follow from it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import certificates
from ..errors import InvalidInput
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    import ssl

    from ..config.tls_details import TlsDetails


@dataclass(frozen=True, slots=True)
class Trust:
    """What makes a server believable.

    ``insecure`` turns verification off and allows plain http; None leaves that to what
    ``registries.conf`` says of a registry, by default not. ``cert_dir`` holds ``*.crt`` authorities and
    ``*.cert`` with ``*.key`` client pairs, or ``ca.pem``, ``cert.pem`` and ``key.pem`` for a Docker
    daemon; None looks through ``roots``, the directories called ``certs.d``, and for a daemon's in
    ``daemon_certificates``. ``details`` narrows versions and ciphers.

    ``realms`` are token servers, as ``host`` or ``host:port``, that are sent credentials though nothing
    shows that they belong to the registry.
    """

    insecure: bool | None = None
    cert_dir: Path | None = None
    roots: tuple[Path, ...] = ()
    daemon_certificates: Path | None = None
    details: TlsDetails | None = None
    realms: frozenset[str] = frozenset()

    def with_insecure_default(self, *, insecure: bool) -> Trust:
        """With what ``registries.conf`` says of a registry, where the user left it open."""
        return replace(self, insecure=True) if insecure and self.insecure is None else self

    def context(self, host_port: str, *, client: bool) -> ssl.SSLContext:
        """TLS settings for a registry; its client certificate only if ``client``.

        Raises `InvalidInput` for certificate files that cannot be used.
        """
        import ssl

        directory = certificates.locate(host_port, self.roots, self.cert_dir)
        files = certificates.read(directory) if directory else certificates.CertificateFiles()
        if self.insecure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = ssl.create_default_context()
            _add_fallback_authorities(context)
        if self.details is not None:
            self.details.apply(context)
        loading: Path | None = None
        try:
            if not self.insecure:
                for loading in files.authorities:
                    context.load_verify_locations(loading)
            for certificate, key in files.clients if client else ():
                loading = certificate
                context.load_cert_chain(certificate, key)
        except OSError as error:  # ssl.SSLError is one
            raise InvalidInput(f"cannot use certificate {loading}: {error.strerror or error}") from error
        return context


def _add_fallback_authorities(context: ssl.SSLContext) -> None:
    """Interpreters built for any system may find no authorities on this one."""
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(os.scandir(paths.capath))) or context.cert_store_stats()["x509"]:
        return
    import certifi

    context.load_verify_locations(certifi.where())
