"""Settings of one side of a copy: credentials, certificates, network, policy, directories."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from . import __version__
from .config import certificates
from .config.home import cache_directory, home_directory
from .config.proxies import Proxies
from .credentials.keychain import Keychain
from .errors import Offline
from .fast_dataclass import dataclass, replace
from .http.retry import Retry
from .http.tls import Trust
from .model.events import Explained, Report, Warned, ignore

if TYPE_CHECKING:
    import httpx

    from .config.policy import Policy
    from .config.registries import Registries
    from .config.registries_d import RegistriesD
    from .http.preconnection import ServerPreconnections
    from .http.rate_limit import RateLimits
    from .model.reference import Reference
    from .registry.ping import Pings


class Connections(Protocol):
    """Connections and tokens that several images share; `registry.sessions.SharedConnections` implements it."""

    def session(self, reference: Reference, access: Access) -> object:
        """Return the `registry.session.Session` for a repository, always the same one."""
        ...


class Preconnections(Protocol):
    """Connections that were opened in advance; `registry.preconnections.Preconnections` implements it."""

    def take(self, reference: Reference, access: Access) -> ServerPreconnections | None:
        """Return those to the registry of ``reference``, reached as ``access`` says, and forget them."""
        ...


class SharedFiles(Protocol):
    """Knowledge of local files that several images share; `storage.shared_files.RunFiles` implements it."""

    def save(self) -> None:
        """Write down, for later runs, what was found out about files; errors are ignored."""
        ...


@dataclass(frozen=True, slots=True)
class Ranges:
    """How large blobs are downloaded in parts, by range requests in parallel.

    ``parts`` is the number of connections to one host up to which parts are requested, besides the whole blobs that
    are being downloaded from there; below 2 none are. ``size`` is that of a part, ``least`` that of the smallest blob
    that is downloaded in parts, both in bytes.
    """

    parts: int = 16
    size: int = 16 * 1024 * 1024
    least: int = 64 * 1024 * 1024

    @property
    def stretch(self) -> int:
        """The number of bytes that a stream requests at once beside parts, so that it need not be cut for them."""
        return 2 * self.size


@dataclass(frozen=True, slots=True)
class Network:
    """Network settings.

    ``retry`` is the number of retries after transient failures, and the delay between them. ``connect_timeout`` is the
    maximum time to establish a connection, ``stall_timeout`` the maximum time without progress in a transfer, and
    ``response_timeout`` the maximum time until a response begins, and until a small document (a manifest, a token, a
    page of tags) is complete; all are in seconds. ``ranges`` says when large blobs are downloaded in parts.
    ``proxies`` are the HTTP proxies. ``user_agent`` is the value of the ``User-Agent`` header. ``daemon_host`` is the
    address of the Docker daemon, as in ``DOCKER_HOST``; "" for its default socket. ``rate_limits`` limit the bytes per
    second, of all copies together that are given the same object; a daemon's local socket is not limited. None: no
    limit. ``program`` is the name of the program in messages that say which command to run next. ``offline`` forbids
    all requests, also to the Docker daemon: `Offline` is raised where one would be needed, before any credential is
    looked up.

    ``client`` replaces pyskopeo's own HTTP client for registries, for example in tests; it has its own proxies and
    certificates. ``connections`` are shared by images that are copied together; None: each copy has its own. ``pings``
    are the answers of registries to ``GET /v2/``, shared by both sides of a copy; None: each side has its own.
    ``preconnections`` are connections that were opened before they are needed, and are used first.
    """

    retry: Retry = field(default_factory=Retry)
    connect_timeout: float = 30.0
    stall_timeout: float = 60.0
    response_timeout: float = 300.0
    ranges: Ranges = field(default_factory=Ranges)
    proxies: Proxies = field(default_factory=Proxies)
    user_agent: str = f"pyskopeo/{__version__}"
    daemon_host: str = ""
    rate_limits: RateLimits | None = None
    program: str = "pyskopeo"
    client: httpx.AsyncClient | None = None
    connections: Connections | None = None
    pings: Pings | None = None
    offline: bool = False
    preconnections: Preconnections | None = None

    def check_online(self, what: str) -> None:
        """Raise `Offline` unless requests are allowed; ``what`` is the operation that needs one."""
        if self.offline:
            raise Offline(f"{what}: this needs a request, and --offline allows none", missing=(what,))


@dataclass(frozen=True, slots=True)
class Storage:
    """Directories besides the one in the image name, and a limit for decompressing; for sources and destinations.

    ``scratch`` is the directory for large temporary files; None: that of the destination, or the system's default if
    the destination is not a file. ``shared_blobs`` contains the blobs of all ``oci:`` layouts; None: each layout
    contains its own. ``store`` is the content store: blobs and manifests that are fetched from registries are kept in
    it, and not fetched again; None: there is none. ``cache`` is the user's cache directory for what can be lost without
    harm; None: nothing is kept.
    ``max_inflated`` is the maximum size in bytes that a source decompresses, an archive as a whole or the layers in it
    in total; None: 16 GiB, or 200 times the compressed size if that is more. What a copy decompresses between
    source and destination is limited by its `Form`.

    ``resume`` is whether a copy that is interrupted keeps what it has downloaded beside its destination, and an upload
    at the registry with a record in ``cache``, and completes what an earlier one has kept. ``partial_age`` is the time
    in seconds after which what was downloaded is removed.

    ``shared_files`` is what images that are copied together share; None: each copy has its own.
    """

    scratch: Path | None = None
    shared_blobs: Path | None = None
    store: Path | None = None
    cache: Path | None = None
    max_inflated: int | None = None
    resume: bool = True
    partial_age: float = 7 * 24 * 3600.0
    shared_files: SharedFiles | None = None


Reuse = Literal["copy", "hardlink", "symlink", "reflink"]
"""What is made of a file that is a blob already: see `Writing`."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Options of a destination. Sources ignore them, and so do transports other than those named here.

    ``additional_tags`` are further names of the image (``docker:``, ``docker-archive:``, ``docker-daemon:``).
    ``verify_existing`` verifies the digests of blobs that are present already, not only their sizes (``oci:``,
    ``dir:``). ``precompute_digests`` compresses a layer to a temporary file first, so that it need not be sent to a
    registry that has the result (``docker:``). ``platforms`` states the platform of an image in its entry of
    ``index.json``, which skopeo does not, and ``tag_platforms`` is how each image of a list is named besides the list,
    one of `platform_names.STYLES`, "": not at all (``oci:``, ``oci-archive:``).

    ``reuse`` is what is made of a file of a local source that is a blob (``oci:``, ``dir:``): a copy of it, a hard link
    to it, a symbolic link to its absolute path, or a file that shares its blocks; a copy, where the file system cannot
    do that. The file is verified before. Files of the content store are hard-linked in any case. ``recorded_source`` is
    the repository, HOST/REPOSITORY, that a layout records as the source of an image whose layers are left out, "" for
    none (``oci:``, ``oci-archive:``).
    """

    additional_tags: tuple[str, ...] = ()
    verify_existing: bool = False
    precompute_digests: bool = False
    platforms: bool = True
    tag_platforms: str = ""
    reuse: Reuse = "copy"
    recorded_source: str = ""


def _daemon_certificates(environ: Mapping[str, str], home: Path) -> Path | None:
    """Return the directory of the certificates for the Docker daemon, by Docker's own rules; None without TLS."""
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    return Path(environ["DOCKER_CERT_PATH"]) if environ.get("DOCKER_CERT_PATH") else home / ".docker"


def _no_registries() -> Registries:
    from .config.registries import Registries

    return Registries()


def _load_registries(environ: Mapping[str, str], home: Path, path: Path | None, report: Report) -> Registries:
    from .config.registries_files import load

    found = load(environ, home, path)
    report(Explained(f"registries are configured in {', '.join(found.files) or 'no file'}"))
    return found


def _no_signature_stores() -> RegistriesD:
    from .config.registries_d import RegistriesD

    return RegistriesD()


def _load_signature_stores(environ: Mapping[str, str], home: Path, folder: Path | None, report: Report) -> RegistriesD:
    from .config.registries_d import load

    found = load(environ, home, folder)
    report(Explained(f"where signatures are is configured in {', '.join(found.files) or 'no file'}"))
    return found


def _accept_all_policy() -> Policy:
    from .config.policy import Policy

    return Policy.accepting()


def _load_policy(
    environ: Mapping[str, str], home: Path, path: str | None, report: Report, *, require_signed: bool
) -> Policy:
    from .config.policy import load

    found = load(environ, home, path)
    report(Explained(f"the policy is in {found.where or 'no file: every image is accepted'}"))
    return replace(found, require_signed=require_signed)


@dataclass(frozen=True, slots=True)
class Access:
    """All settings that transports use to open an image name; one object for all transports.

    ``keychain`` finds credentials, ``trust`` holds certificates and verification settings. ``registries`` returns the
    mirrors and settings of registries (containers-registries.conf(5)), ``policy`` the signature policy
    (containers-policy.json(5)), ``signature_stores`` where signatures are kept (containers-registries.d(5)); they are
    called on first use, and may raise `InvalidInput`. ``report`` is called with
    warnings, requests and retries.
    """

    keychain: Keychain
    trust: Trust = field(default_factory=Trust)
    network: Network = field(default_factory=Network)
    registries: Callable[[], Registries] = _no_registries
    policy: Callable[[], Policy] = _accept_all_policy
    signature_stores: Callable[[], RegistriesD] = _no_signature_stores
    storage: Storage = field(default_factory=Storage)
    writing: Writing = field(default_factory=Writing)
    report: Report = ignore

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        report: Report = ignore,
        registries_conf: Path | None = None,
        policy: str | None = None,
        require_signed: bool = False,
        registries_d: Path | None = None,
    ) -> Access:
        """Return the settings of the user's environment and configuration files, as the command line uses them.

        ``environ`` are the environment variables, None for those of the process. ``registries_conf`` and ``policy`` are
        files to read in the place of the default ones, ``registries_d`` a directory. ``require_signed`` refuses images
        that the policy would accept without a signature. The files are read on first use.
        """
        environ = os.environ if environ is None else environ
        home = home_directory(environ)
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
            trust=Trust(
                roots=certificates.search_path(home),
                daemon_certificates=_daemon_certificates(environ, home),
                authority_file=Path(environ["SSL_CERT_FILE"]) if environ.get("SSL_CERT_FILE") else None,
                authority_directories=tuple(map(Path, filter(None, environ.get("SSL_CERT_DIR", "").split(os.pathsep)))),
            ),
            network=Network(proxies=Proxies.from_environ(environ), daemon_host=environ.get("DOCKER_HOST", "")),
            registries=registries,
            policy=cache(partial(_load_policy, environ, home, policy, report, require_signed=require_signed)),
            signature_stores=cache(partial(_load_signature_stores, environ, home, registries_d, report)),
            storage=Storage(
                scratch=Path(environ["TMPDIR"]) if environ.get("TMPDIR") else None,
                store=Path(environ["PYSKOPEO_STORE"]) if environ.get("PYSKOPEO_STORE") else None,
                cache=cache_directory(environ, home),
            ),
            report=report,
        )
