"""Which servers are trusted, and the TLS settings for that."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import certificates
from ..errors import InvalidInput
from ..fast_dataclass import dataclass, replace

if TYPE_CHECKING:
    import ssl

    from ..config.tls_details import TlsDetails
    from .authorities import Warn


@dataclass(frozen=True, slots=True)
class Trust:
    """Which certificates and servers are trusted.

    ``insecure`` turns verification off and allows plain http; None leaves that to the ``insecure`` of the registry in
    ``registries.conf``, which is False by default. ``cert_dir`` holds ``*.crt`` authorities and ``*.cert`` with
    ``*.key`` client pairs, or ``ca.pem``, ``cert.pem`` and ``key.pem`` for a Docker daemon. If it is None,
    the ``certs.d`` directories in ``roots`` are searched (containers-certs.d(5)), and ``daemon_certificates`` for a
    daemon. ``details`` restricts versions and ciphers. ``authority_file`` and ``authority_directories`` are those of
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``: OpenSSL uses the variables itself, but not all of what they name.

    ``realms`` are token servers, as ``host`` or ``host:port``, that are sent credentials though their names do not
    show that they belong to the registry.
    """

    insecure: bool | None = None
    cert_dir: Path | None = None
    roots: tuple[Path, ...] = ()
    daemon_certificates: Path | None = None
    details: TlsDetails | None = None
    realms: frozenset[str] = frozenset()
    authority_file: Path | None = None
    authority_directories: tuple[Path, ...] = ()

    def with_insecure_default(self, *, insecure: bool) -> Trust:
        """Return a copy with ``insecure``, the registry's in ``registries.conf``, unless the user has set it."""
        return replace(self, insecure=True) if insecure and self.insecure is None else self

    def context(self, host_port: str, *, client: bool, warn: Warn, defer: bool = False) -> ssl.SSLContext:
        """Return the TLS settings for the registry at ``host_port``, with its client certificate if ``client``.

        Authorities that cannot be used are passed over, and named to ``warn``; ``defer`` is as for `default_context`.
        Raises `InvalidInput` for a client's certificate that cannot be used.
        """
        import ssl

        directory = certificates.locate(host_port, self.roots, self.cert_dir)
        if directory is None and self.cert_dir is not None:
            from .authorities import warn_once

            warn_once(f"certificate directory {self.cert_dir} does not exist", warn)
        files = certificates.read(directory) if directory else certificates.CertificateFiles()
        if self.insecure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = self.default_context(warn, defer=defer)
            if files.authorities:
                from .authorities import load_file

                for path in files.authorities:
                    load_file(context, path, warn)
        if self.details is not None:
            self.details.apply(context)
        for certificate, key in files.clients if client else ():
            try:
                context.load_cert_chain(certificate, key)
            except OSError as error:  # ssl.SSLError is one
                raise InvalidInput(f"cannot use certificate {certificate}: {error.strerror or error}") from error
        return context

    def default_context(self, warn: Warn, *, defer: bool = False) -> ssl.SSLContext:
        """Return TLS settings that trust the system's authorities; those that cannot be used are named to ``warn``.

        With ``defer``, the file of all of them may be loaded later, when the library's own connections need it.
        """
        from .client_context import ClientContext, system_directory

        context = ClientContext()
        directory = system_directory() if defer else None
        if directory is None:
            self._load_all(context, warn)
        else:
            context.load_verify_locations(capath=directory)
            context.put_off(partial(self._load_all, context, warn))
        return context

    def _load_all(self, context: ssl.SSLContext, warn: Warn) -> None:
        from .authorities import check_default_file, load_directory

        had = context.cert_store_stats()["x509"]
        context.load_default_certs()
        if self.authority_file is not None:
            check_default_file(context, self.authority_file, warn, had=had)
        for directory in self.authority_directories:
            load_directory(context, directory, warn)
        _add_fallback_authorities(context)


def _add_fallback_authorities(context: ssl.SSLContext) -> None:
    """Trust certifi's authorities if OpenSSL finds none, as a Python that was built on another system may."""
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile or context.cert_store_stats()["x509"] or (paths.capath and _has_files(paths.capath)):
        return
    try:
        import certifi
    except ImportError:
        return
    # Not as a file: in a zip archive there is none.
    context.load_verify_locations(cadata=certifi.contents())


def _has_files(directory: str) -> bool:
    try:
        with os.scandir(directory) as found:
            return any(found)
    except OSError:  # others may not read it
        return False
