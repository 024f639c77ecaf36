"""Which servers are trusted, and the TLS settings for that."""

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
    """Which certificates and servers are trusted.

    ``insecure`` turns verification off and allows plain http; None leaves that to the ``insecure`` of the registry in
    ``registries.conf``, which is False by default. ``cert_dir`` holds ``*.crt`` authorities and ``*.cert`` with
    ``*.key`` client pairs, or ``ca.pem``, ``cert.pem`` and ``key.pem`` for a Docker daemon. If it is None,
    the ``certs.d`` directories in ``roots`` are searched (containers-certs.d(5)), and ``daemon_certificates`` for a
    daemon. ``details`` restricts versions and ciphers.

    ``realms`` are token servers, as ``host`` or ``host:port``, that are sent credentials though their names do not
    show that they belong to the registry.
    """

    insecure: bool | None = None
    cert_dir: Path | None = None
    roots: tuple[Path, ...] = ()
    daemon_certificates: Path | None = None
    details: TlsDetails | None = None
    realms: frozenset[str] = frozenset()

    def with_insecure_default(self, *, insecure: bool) -> Trust:
        """Return a copy with ``insecure``, the registry's in ``registries.conf``, unless the user has set it."""
        return replace(self, insecure=True) if insecure and self.insecure is None else self

    def context(self, host_port: str, *, client: bool) -> ssl.SSLContext:
        """Return the TLS settings for the registry at ``host_port``, with its client certificate if ``client``.

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
    """Trust certifi's authorities if OpenSSL finds none, as a Python that was built on another system may."""
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(os.scandir(paths.capath))) or context.cert_store_stats()["x509"]:
        return
    import certifi

    context.load_verify_locations(certifi.where())
