"""How one side of a copy may reach out: credentials, trust, proxies, patience, scratch space."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from .config import certificates
from .config.proxies import Proxies
from .errors import InvalidInput
from .events import Explained, Report, Warned, ignore
from .keychain import Keychain
from .registry.retry import Retry
from .version import __version__

if TYPE_CHECKING:
    import ssl

    import httpx

    from .config.policy import Policy
    from .config.registries import Registries
    from .config.tls_details import TlsDetails
    from .registry.opening import Connections


@dataclass(frozen=True, slots=True)
class Trust:
    """What makes a server believable.

    ``insecure`` turns verification off and allows plain http; None leaves that to what
    ``registries.conf`` says of a registry, by default not. ``cert_dir`` holds ``*.crt`` authorities and
    ``*.cert`` with ``*.key`` client pairs; None looks through ``certs.d``. ``details`` narrows
    versions and ciphers.
    """

    insecure: bool | None = None
    cert_dir: Path | None = None
    roots: tuple[Path, ...] = ()
    details: TlsDetails | None = None

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


def _daemon_certificates(environ: Mapping[str, str], home: Path) -> Path | None:
    """As Docker's own client: used when verification is asked for."""
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    return Path(environ["DOCKER_CERT_PATH"]) if environ.get("DOCKER_CERT_PATH") else home / ".docker"


def _no_registries() -> Registries:
    from .config.registries import Registries

    return Registries()


def _load_registries(environ: Mapping[str, str], home: Path, named: Path | None, report: Report) -> Registries:
    from .config.registries_files import load

    found = load(environ, home, named)
    report(Explained(f"registries are configured in {', '.join(found.files) or 'no file'}"))
    return found


def _accepting() -> Policy:
    from .config.policy import Policy

    return Policy.accepting()


def _load_policy(environ: Mapping[str, str], home: Path, named: str | None, report: Report) -> Policy:
    from .config.policy import load

    found = load(environ, home, named)
    report(Explained(f"the policy is in {found.where or 'no file: every image is accepted'}"))
    return found


@dataclass(frozen=True, slots=True)
class Access:
    """Everything a transport may need besides its own name; the same for all transports.

    Timeouts are seconds. ``scratch`` is where large temporary files go; None means beside the
    destination. ``client`` replaces the HTTP client, for tests and for those who bring their own;
    ``connections`` is what images that are copied together share.
    ``daemon_host`` is where the Docker daemon is, empty for its usual socket; ``daemon_certificates``
    a directory with its ``ca.pem``, ``cert.pem`` and ``key.pem``, where ``trust`` names none.

    ``registries`` and ``policy`` are read where they are needed first. ``require_signed`` refuses what
    the policy would accept without a signature.
    """

    keychain: Keychain
    trust: Trust = field(default_factory=Trust)
    proxies: Proxies = field(default_factory=lambda: Proxies.from_environ({}))
    retry: Retry = field(default_factory=Retry)
    report: Report = ignore
    stall_timeout: float = 60.0
    connect_timeout: float = 30.0
    scratch: Path | None = None
    shared_blobs: Path | None = None
    verify_existing: bool = False
    trusted_realms: frozenset[str] = frozenset()
    additional_tags: tuple[str, ...] = ()
    precompute_digests: bool = False
    daemon_host: str = ""
    daemon_certificates: Path | None = None
    client: httpx.AsyncClient | None = None
    connections: Connections | None = None
    registries: Callable[[], Registries] = _no_registries
    policy: Callable[[], Policy] = _accepting
    require_signed: bool = False
    user_agent: str = f"pyskopeo/{__version__}"

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        report: Report = ignore,
        registries_conf: Path | None = None,
        policy: str | None = None,
    ) -> Access:
        """The defaults of the command line: the user's files, proxies and certificates.

        ``registries_conf`` and ``policy`` name the files to be read in the place of the usual ones.
        """
        environ = os.environ if environ is None else environ
        home = Path(environ.get("HOME") or Path.home())
        authfile = environ.get("REGISTRY_AUTH_FILE")
        registries = cache(partial(_load_registries, environ, home, registries_conf, report))
        return cls(
            keychain=Keychain(
                environ=environ,
                home=home,
                warn=lambda message: report(Warned(message)),
                explain=lambda message: report(Explained(message)),
                authfile=Path(authfile) if authfile else None,
                helpers=lambda: registries().credential_helpers,
            ),
            trust=Trust(roots=certificates.search_path(home)),
            proxies=Proxies.from_environ(environ),
            report=report,
            scratch=Path(environ["TMPDIR"]) if environ.get("TMPDIR") else None,
            daemon_host=environ.get("DOCKER_HOST", ""),
            daemon_certificates=_daemon_certificates(environ, home),
            registries=registries,
            policy=cache(partial(_load_policy, environ, home, policy, report)),
        )

    def warn(self, message: str) -> None:
        self.report(Warned(message))
