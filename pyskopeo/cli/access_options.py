"""The flags for access to images, for either side of a copy, and the options they are parsed into."""

from __future__ import annotations

import os
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access, Storage
from ..credentials.authfile import Credentials
from ..errors import InvalidInput
from ..fast_dataclass import dataclass, replace
from ..model.events import Report
from .early_access import EarlyAccess
from .flags import Flag, Parsed, UsageError, age, boolean, utf8
from .log import log
from .network_options import NETWORK, NetworkOptions

if TYPE_CHECKING:
    from ..credentials.bazel_helper import HeaderHelper
    from ..credentials.keychain import Keychain


AUTHFILE = Flag("authfile", "read credentials from PATH only (default: $REGISTRY_AUTH_FILE, else the standard "
                "locations)", value="PATH", group="registry")  # fmt: skip

RESUME = (
    Flag("no-resume", "do not complete interrupted downloads and uploads, and do not keep them for a later run",
         read=boolean, default=False, group="network"),
    Flag("partial-age", "remove what interrupted downloads have left beside the destination after this time "
         "(default: 7d)", value="DURATION", read=age, default=Storage().partial_age, group="network"),
)  # fmt: skip

_REGISTRIES = {"": "the registry", "src-": "the source registry", "dest-": "the destination registry"}
_SIDES = {"": "source", "src-": "source", "dest-": "destination"}


def registry_flags(prefix: str = "", certificates: str = "*.crt, and *.cert with *.key") -> tuple[Flag, ...]:
    """Return the flags for the registry of one side; ``prefix`` is ``src-``, ``dest-`` or empty."""
    registry = _REGISTRIES[prefix]
    group = _SIDES[prefix] if prefix else "registry"
    flags = (
        Flag(f"{prefix}creds", f"credentials for {registry}", value="USER[:PASS]", read=utf8, group=group),
        Flag(f"{prefix}username", f"user name for {registry}", value="USER", read=utf8, group=group),
        Flag(f"{prefix}password", f"password for {registry}", value="PASS", read=utf8, group=group),
        Flag(f"{prefix}no-creds", f"access {registry} anonymously", read=boolean, default=False, group=group),
        Flag(f"{prefix}registry-token", f"bearer token for {registry}", value="TOKEN", group=group),
        Flag(f"{prefix}cert-dir", f"directory with certificates for {registry}: {certificates}", value="DIR",
             group=group),
        Flag(f"{prefix}tls-verify", "require HTTPS and verify certificates (default: true)", read=boolean, group=group),
    )
    if not prefix:
        return flags
    return (
        *flags,
        Flag(f"{prefix}authfile", f"read credentials for {registry} from PATH only", value="PATH", group=group),
        Flag(f"{prefix[0]}creds", "", value="USER[:PASS]", read=utf8, hidden=True),
    )


def shared_blob_dir(prefix: str = "") -> Flag:
    """Return the flag for blobs that several layouts share; ``prefix`` as in `registry_flags`."""
    return Flag(f"{prefix}shared-blob-dir", "directory for blobs shared by oci: layouts", value="DIR",
                group=_SIDES[prefix])


def access_flags(prefix: str = "") -> tuple[Flag, ...]:
    """Return the flags for one side of any transport; ``prefix`` as in `registry_flags`."""
    return (
        *registry_flags(prefix, "*.crt, and *.cert with *.key; for a Docker daemon: ca.pem, cert.pem, key.pem"),
        shared_blob_dir(prefix),
        Flag(f"{prefix}daemon-host", "address of the Docker daemon for docker-daemon: (default: $DOCKER_HOST, else the "
             "standard socket)", value="HOST", group=_SIDES[prefix]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CredentialOptions:
    """Which credentials one side uses. ``authfile`` is the only file to read, None: the default."""

    credentials: Credentials | None
    anonymous: bool
    registry_token: str = field(repr=False)
    authfile: Path | None
    strict: bool
    header_helpers: tuple[HeaderHelper, ...]

    @classmethod
    def of(cls, parsed: Parsed, prefix: str) -> CredentialOptions:
        """Read the options of one side; raises `InvalidInput`. Prompts for a password at a terminal."""
        own_file = parsed.path(f"{prefix}authfile") if prefix else None
        return cls(
            credentials=_credentials(parsed, prefix),
            anonymous=parsed.get(f"{prefix}no-creds", bool),
            registry_token=parsed.optional(f"{prefix}registry-token", str) or "",
            authfile=own_file or parsed.path("authfile"),
            strict=parsed.get("auth-strict", bool),
            header_helpers=_header_helpers(parsed),
        )

    def keychain(self, base: Keychain) -> Keychain:
        """Return ``base`` with these options."""
        return replace(
            base,
            credentials=self.credentials,
            anonymous=self.anonymous,
            registry_token=self.registry_token,
            authfile=self.authfile or base.authfile,
            strict=self.strict,
            header_helpers=self.header_helpers,
        )


def _header_helpers(parsed: Parsed) -> tuple[HeaderHelper, ...]:
    if "credential-helper" not in parsed.given:
        return ()
    from ..credentials.bazel_helper import HeaderHelper

    return parsed.repeated("credential-helper", HeaderHelper)


def _credentials(parsed: Parsed, prefix: str) -> Credentials | None:
    creds = parsed.optional(f"{prefix}creds", str)
    if creds is None and prefix:
        creds = parsed.optional(f"{prefix[0]}creds", str)
    user, password = parsed.optional(f"{prefix}username", str), parsed.optional(f"{prefix}password", str)
    none = parsed.get(f"{prefix}no-creds", bool)
    if creds is not None and none:
        raise UsageError("creds and no-creds cannot be specified at the same time")
    if user is not None and none:
        raise UsageError("username and no-creds cannot be specified at the same time")
    if creds is not None and user is not None:
        raise UsageError("creds and username cannot be specified at the same time")
    if user is not None and password is None:
        raise UsageError("password must be specified when username is specified")
    if user is None and password is not None:
        raise UsageError("username must be specified when password is specified")
    if creds is not None:
        name, colon, secret = creds.partition(":")
        if not name:
            raise InvalidInput("credentials can't be empty: want USER[:PASS]")
        return Credentials(name, secret if colon else _prompt_for_password(name))
    return None if user is None or password is None else Credentials(user, password)


def _prompt_for_password(user: str) -> str:
    """Return the password typed at the terminal, or without one an empty password, as skopeo does."""
    import sys

    if not sys.stdin.isatty() or not sys.stderr.isatty():
        return ""
    import getpass

    return getpass.getpass(f"Password for {user}: ", stream=sys.stderr)


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """What the flags of one side, and those for both sides, say about access to images.

    ``tls_verify`` is None if neither true nor false was asked for. ``scratch`` is the directory for
    temporary files, ``shared_blobs`` that of ``oci:`` layouts, ``store`` that of the content store: None is the
    default, "" none. ``resume`` and ``partial_age`` are those of `Storage`, None for a command that writes no blobs.
    ``accept_all`` is ``--insecure-policy``. ``early`` holds the access that was needed before the command began.
    """

    network: NetworkOptions
    credentials: CredentialOptions
    tls_verify: bool | None
    cert_dir: Path | None
    daemon_host: str | None
    scratch: Path | None
    shared_blobs: Path | None
    store: str | None
    resume: bool | None
    partial_age: float | None
    registries_conf: Path | None
    registries_d: Path | None
    policy: str | None
    require_signed: bool
    accept_all: bool
    early: EarlyAccess = field(default_factory=EarlyAccess, repr=False, compare=False)

    @classmethod
    def of(cls, parsed: Parsed, prefix: str = "") -> AccessOptions:
        """Read the options of one side; raises `InvalidInput`. Prompts for a password at a terminal."""
        _check_registries_d(parsed.path("registries.d"))
        credentials = CredentialOptions.of(parsed, prefix)
        require_signed, accept_all = parsed.get("require-signed", bool), parsed.get("insecure-policy", bool)
        if accept_all and require_signed:
            raise UsageError("--insecure-policy and --require-signed are mutually exclusive")
        # Commands that accept registries only have no flags for other transports.
        every_transport = f"{prefix}daemon-host" in parsed.values
        shared_blobs = f"{prefix}shared-blob-dir"
        writes = "no-resume" in parsed.values
        return cls(
            network=NetworkOptions.of(parsed),
            credentials=credentials,
            tls_verify=_tls_verify(parsed, prefix),
            cert_dir=parsed.path(f"{prefix}cert-dir"),
            daemon_host=parsed.optional(f"{prefix}daemon-host", str) if every_transport else None,
            scratch=parsed.path("tmpdir"),
            shared_blobs=parsed.path(shared_blobs) if shared_blobs in parsed.values else None,
            store=parsed.optional("store", str),
            resume=not parsed.get("no-resume", bool) if writes else None,
            partial_age=parsed.get("partial-age", float) if writes else None,
            registries_conf=parsed.path("registries-conf"),
            registries_d=parsed.path("registries.d"),
            policy=parsed.optional("policy", str) or None,
            require_signed=require_signed,
            accept_all=accept_all,
        )

    @classmethod
    def without_registries(cls, parsed: Parsed) -> AccessOptions:
        """Read the options of a command that has no flags for registries: these have their defaults."""
        for flag in (AUTHFILE, *registry_flags(), *NETWORK):
            parsed.values.setdefault(flag.name, [] if flag.repeat else flag.default)
        return cls.of(parsed)

    def access(self, report: Report) -> Access:
        """Return the access that the environment and these options give, with events sent to ``report``."""
        early = self.early.take(report)
        return self.new_access(report) if early is None else replace(early, report=report)

    def new_access(self, report: Report) -> Access:
        """Return the same as `access`, made anew."""
        base = Access.from_environ(
            os.environ,
            report=report,
            registries_conf=self.registries_conf,
            registries_d=self.registries_d,
            policy=self.policy,
            require_signed=self.require_signed,
        )
        policy = base.policy
        if self.accept_all:
            from ..config.policy import Policy

            policy = Policy.accepting
        return replace(
            base,
            keychain=self.credentials.keychain(base.keychain),
            trust=self.network.trust(base.trust, self.tls_verify, self.cert_dir),
            network=self.network.network(base.network, self.daemon_host),
            policy=policy,
            storage=self._storage(base.storage),
        )

    def _storage(self, base: Storage) -> Storage:
        return replace(
            base,
            scratch=self.scratch or base.scratch,
            shared_blobs=self.shared_blobs,
            store=base.store if self.store is None else Path(self.store) if self.store else None,
            resume=base.resume if self.resume is None else self.resume,
            partial_age=base.partial_age if self.partial_age is None else self.partial_age,
        )


def _check_registries_d(path: Path | None) -> None:
    """Raise `InvalidInput` for a directory that cannot be read, or is invalid, before anything else is done."""
    if path is not None:
        from ..config.registries_d import load

        load(os.environ, Path(), path)


def _tls_verify(parsed: Parsed, prefix: str) -> bool | None:
    """Return the flag of this side, or else skopeo's deprecated flag for both sides."""
    own, both = parsed.optional(f"{prefix}tls-verify", bool), parsed.optional("tls-verify", bool)
    if not prefix or both is None:
        return own
    if prefix == "src-" and "tls-verify" not in parsed.inherited:  # warn once, although this is called for each side
        log("warning", "'--tls-verify' is deprecated, instead use: --src-tls-verify, --dest-tls-verify")
    return both if own is None else own
