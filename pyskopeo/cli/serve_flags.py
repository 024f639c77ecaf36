"""The flags of ``serve`` that say who may use the registry, and how much, and the options they are parsed into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .flags import Flag, Parsed, UsageError, boolean, byte_count, duration, integer

if TYPE_CHECKING:
    from pathlib import Path

GRACE_SECONDS = 30.0
_DEFAULT_REQUESTS = 128

ACCESS = (
    Flag("htpasswd", "users and passwords (htpasswd -B); read again when it changes", value="FILE", group="registry"),
    Flag("token-file", "tokens with their rights, as TOML; read again when it changes", value="FILE", group="registry"),
    Flag("access-rules", "who may pull, push and delete in which repositories, as TOML (default: users may do"
         " everything)", value="FILE", group="registry"),
    Flag("anonymous-pull", "let anyone pull, without a login", read=boolean, default=False, group="registry"),
)  # fmt: skip
NETWORK = (
    Flag("tls-cert", "certificate of the server with its chain, as PEM; read again when it changes", value="FILE",
         group="network"),
    Flag("tls-key", "private key of the certificate, as PEM", value="FILE", group="network"),
    Flag("insecure-listen", "listen beyond this machine although nobody has to log in", read=boolean, default=False,
         group="network"),
    Flag("public-url", "address of the registry as clients have it, if a proxy stands before it", value="URL",
         group="network"),
    Flag("max-blob-size", "refuse blobs of more bytes than this (default: no limit)", value="SIZE", read=byte_count,
         group="network"),
    Flag("max-requests", f"answer so many requests at once; others wait (default: {_DEFAULT_REQUESTS})", value="N",
         read=integer, default=_DEFAULT_REQUESTS, group="network"),
    Flag("grace-period", "after SIGTERM or Ctrl-C, let requests finish for so long; a second signal ends them"
         f" (default: {GRACE_SECONDS:.0f}s)", value="DURATION", read=duration, default=GRACE_SECONDS, group="network"),
)  # fmt: skip
RECORDS = (
    Flag("access-log", "write a line for each request; - is standard output, SIGHUP opens the file again",
         value="FILE", group="output"),
    Flag("metrics-listen", "serve /metrics and /healthz at another address, without a login", value="HOST:PORT",
         group="output"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """Who may use a registry, and how much.

    ``htpasswd``, ``tokens``, ``rules`` and ``access_log`` are paths, None where they are not given. ``grace`` is in
    seconds, ``metrics_address`` a host and a port.
    """

    htpasswd: Path | None
    tokens: Path | None
    rules: Path | None
    anonymous_pull: bool
    tls: tuple[Path, Path] | None
    public_url: str
    max_blob_size: int | None
    max_requests: int
    grace: float
    access_log: str | None
    metrics_address: tuple[str, int] | None

    @property
    def has_logins(self) -> bool:
        """Whether clients can log in."""
        return self.htpasswd is not None or self.tokens is not None

    @classmethod
    def of(cls, parsed: Parsed, host: str) -> GuardOptions:
        """Read the options of a server that listens at ``host``; raises `InvalidInput`."""
        metrics = parsed.optional("metrics-listen", str)
        options = cls(
            htpasswd=parsed.path("htpasswd"),
            tokens=parsed.path("token-file"),
            rules=parsed.path("access-rules"),
            anonymous_pull=parsed.get("anonymous-pull", bool),
            tls=_tls(parsed),
            public_url=_url(parsed.optional("public-url", str)),
            max_blob_size=parsed.optional("max-blob-size", int),
            max_requests=parsed.get("max-requests", int),
            grace=parsed.get("grace-period", float),
            access_log=parsed.optional("access-log", str),
            metrics_address=None if metrics is None else listen_address("metrics-listen", metrics),
        )
        if options.max_requests < 1:
            raise UsageError('invalid argument for "--max-requests" flag: want 1 or more')
        if options.anonymous_pull and not options.has_logins:
            raise InvalidInput("--anonymous-pull is for a registry with logins: give --htpasswd or --token-file, too")
        if not (options.has_logins or parsed.get("insecure-listen", bool) or is_loopback(host)):
            raise InvalidInput(
                f"anyone who reaches {host} could use the registry: give --htpasswd or --token-file for logins,"
                " or --insecure-listen to have none"
            )
        return options


def listen_address(flag: str, text: str) -> tuple[str, int]:
    """Parse HOST:PORT; without a host it is this machine. Raises `UsageError`."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f'invalid argument "{text}" for "--{flag}" flag: want HOST:PORT')
    return host.strip("[]") or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens at ``host``, as far as that is certain."""
    import ipaddress

    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _tls(parsed: Parsed) -> tuple[Path, Path] | None:
    certificate, key = parsed.path("tls-cert"), parsed.path("tls-key")
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--tls-cert and --tls-key are given together")
    return certificate, key


def _url(text: str | None) -> str:
    if not text:
        return ""
    scheme, separator, rest = text.rstrip("/").partition("://")
    if scheme not in ("http", "https") or not separator or not rest or not _is_authority(rest):
        raise UsageError(f'invalid argument "{text}" for "--public-url" flag: want such as https://registry.example.com')
    return f"{scheme}://{rest}"


def _is_authority(text: str) -> bool:
    return text.isascii() and all(one.isalnum() or one in ".-:[]" for one in text)
