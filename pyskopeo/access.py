"""How one side of a copy may reach out, and what it may use: credentials, trust, network, files, patience."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from . import __version__
from .config import certificates
from .config.proxies import Proxies
from .credentials.keychain import Keychain
from .fast_dataclass import dataclass
from .http.retry import Retry
from .http.tls import Trust
from .model.events import Explained, Report, Warned, ignore

if TYPE_CHECKING:
    import httpx

    from .config.policy import Policy
    from .config.registries import Registries
    from .model.reference import Reference


class Connections(Protocol):
    """What images that are copied together share; `registry.sessions.SharedConnections` is one."""

    def session(self, reference: Reference, access: Access) -> object:
        """Return the `registry.session.Session` for a repository; the same one each time."""
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """How other machines are reached: by which way, with how much patience, under which name.

    ``retry`` is for what failed for a passing reason. In seconds, ``connect_timeout`` is how long a
    connection may take to be made, and ``stall_timeout`` how long it may make no progress. Requests say
    ``user_agent``. ``daemon_host`` is where the Docker daemon is, as in ``DOCKER_HOST``, empty for its
    usual socket.

    ``client`` talks to registries in the place of our own, for tests and for those who bring theirs,
    with its own proxies and certificates. ``connections`` is what images that are copied together share.
    """

    retry: Retry = field(default_factory=Retry)
    connect_timeout: float = 30.0
    stall_timeout: float = 60.0
    proxies: Proxies = field(default_factory=Proxies)
    user_agent: str = f"pyskopeo/{__version__}"
    daemon_host: str = ""
    client: httpx.AsyncClient | None = None
    connections: Connections | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """Directories that are used besides what an image name says, by those who read and those who write.

    ``scratch`` is where large temporary files go; None: beside the destination, and where the system
    has such files if there is nothing to be beside. ``shared_blobs`` is where ``oci:`` layouts have
    their blobs together; None: each has its own.
    """

    scratch: Path | None = None
    shared_blobs: Path | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """What is asked of a destination. A source does not look at it, nor does a transport that has no such thing.

    ``additional_tags`` name the image, too (``docker:``, ``docker-archive:``, ``docker-daemon:``).
    ``verify_existing`` hashes the blobs that are there already, where else their size is enough (``oci:``,
    ``dir:``). ``precompute_digests`` compresses a layer to a temporary file first, so that a registry
    that has the result is not sent it.
    """

    additional_tags: tuple[str, ...] = ()
    verify_existing: bool = False
    precompute_digests: bool = False


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


def _load_policy(
    environ: Mapping[str, str], home: Path, named: str | None, report: Report, *, require_signed: bool
) -> Policy:
    from .config.policy import load

    found = load(environ, home, named)
    report(Explained(f"the policy is in {found.where or 'no file: every image is accepted'}"))
    return replace(found, require_signed=require_signed)


@dataclass(frozen=True, slots=True)
class Access:
    """Everything a transport may need besides its own name; the same for all transports.

    ``keychain`` says who we are, ``trust`` which servers are believed. ``registries`` says where else
    the images of a registry are, and ``policy`` which images may be used; both are asked where they
    are needed first. ``report`` gets what there is to say: warnings, requests, repetitions.
    """

    keychain: Keychain
    trust: Trust = field(default_factory=Trust)
    network: Network = field(default_factory=Network)
    registries: Callable[[], Registries] = _no_registries
    policy: Callable[[], Policy] = _accepting
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
    ) -> Access:
        """The defaults of the command line: the user's files, proxies and certificates.

        ``registries_conf`` and ``policy`` name the files to be read in the place of the usual ones.
        ``require_signed`` refuses what the policy would accept without a signature.
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
            trust=Trust(
                roots=certificates.search_path(home), daemon_certificates=_daemon_certificates(environ, home)
            ),
            network=Network(proxies=Proxies.from_environ(environ), daemon_host=environ.get("DOCKER_HOST", "")),
            registries=registries,
            policy=cache(partial(_load_policy, environ, home, policy, report, require_signed=require_signed)),
            storage=Storage(scratch=Path(environ["TMPDIR"]) if environ.get("TMPDIR") else None),
            report=report,
        )
