"""The flags for connections to servers, and the options they are parsed into."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Network, Ranges
from ..fast_dataclass import dataclass, replace
from ..http.retry import Retry
from ..http.tls import Trust
from .command import SKOPEO, program
from .flags import Flag, Parsed, UsageError, boolean, byte_count, duration, integer, listed

if TYPE_CHECKING:
    from ..config.tls_details import TlsDetails
    from ..credentials.bazel_helper import HeaderHelper
    from ..http.rate_limit import RateLimits

# Commands for logins do not have these flags.
RATE_FLAGS = ("limit-rate", "limit-rate-per-host")


def _rate(text: str) -> int:
    """Parse a number of bytes per second; 0 and ``none`` are no limit."""
    try:
        return 0 if text.lower() == "none" else byte_count(text)
    except ValueError:
        raise ValueError("want bytes per second such as 500K or 10M, or 0 for no limit") from None


@cache
def _rate_limits(total: int, per_host: int) -> RateLimits | None:
    """Return the limits of this process, the same object for both sides of a copy; None if there are none."""
    if not total and not per_host:
        return None
    from ..http.rate_limit import RateLimits

    return RateLimits(total, per_host)


def _header_helper(text: str) -> HeaderHelper:
    from ..credentials.bazel_helper import HeaderHelper

    return HeaderHelper.parse(text)


NETWORK = (
    Flag("retry-times", f"number of retries after transient failures (default: {Retry().times})", value="N",
         read=integer, group="network"),
    Flag("retry-delay", "fixed delay between retries (default: doubles with each, from 0.5s)", value="DURATION",
         read=duration, group="network"),
    Flag("max-retry-after", "fail at once if a server asks to wait longer than this before a retry (default: 5m)",
         value="DURATION", read=duration, default=300.0, group="network"),
    Flag("stall-timeout", "fail a transfer that makes no progress for this long (default: 60s)", value="DURATION",
         read=duration, group="network"),
    Flag("response-timeout", "fail a request that is not answered in this time (default: 5m, or three times a given "
         "--stall-timeout)", value="DURATION", read=duration, group="network"),
    Flag("limit-rate", "maximum number of bytes per second, such as 500K or 10M, of all uploads and downloads together "
         "(default: no limit)", value="RATE", read=_rate, default=0, group="network"),
    Flag("limit-rate-per-host", "the same for those with one host", value="RATE", read=_rate, default=0,
         group="network"),
    Flag("auth-strict", "treat the failure of a credential helper as an error, not a warning", read=boolean,
         default=False, group="registry"),
    Flag("credential-helper", "get request headers from PATH, a helper that speaks Bazel's protocol; PATTERN is HOST, "
         "or *.DOMAIN for the domain and its subdomains (default: all hosts)", value="[PATTERN=]PATH",
         read=_header_helper, repeat=True, group="registry"),
    Flag("trust-realm", "also send credentials to the token server HOST, without TLS if its address is http",
         value="HOST", read=listed, repeat=True, group="registry"),
)  # fmt: skip


# For commands that download blobs.
RANGES = (
    Flag("range-parts", "download blobs of 64 MiB and more in parts, over up to N connections to a host, if that is "
         f"faster; 1 turns this off (default: {Ranges().parts})", value="N", read=integer, default=Ranges().parts,
         group="network"),
    Flag("range-size", "size of a part (default: 16M)", value="SIZE", read=byte_count, default=Ranges().size,
         group="network"),
)  # fmt: skip
_LEAST_RANGE_SIZE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """How servers are reached, whichever side they are on; with ``offline`` not at all. Timeouts are in seconds."""

    retry: Retry
    stall_timeout: float
    response_timeout: float
    ranges: Ranges
    user_agent_prefix: str
    tls_details: TlsDetails | None
    realms: frozenset[str]
    offline: bool
    rate_limits: RateLimits | None

    @classmethod
    def of(cls, parsed: Parsed) -> NetworkOptions:
        """Read the options; raises `InvalidInput`."""
        stall_timeout, response_timeout = _timeouts(parsed)
        return cls(
            tls_details=_tls_details(parsed.path("tls-details")),
            realms=frozenset(parsed.repeated("trust-realm", str)),
            retry=_retry(parsed),
            stall_timeout=stall_timeout,
            response_timeout=response_timeout,
            ranges=_ranges(parsed),
            user_agent_prefix=_user_agent_prefix(parsed),
            offline=parsed.get("offline", bool),
            rate_limits=_rate_limits(*(_read_rate(parsed, name) for name in RATE_FLAGS)),
        )

    def network(self, base: Network, daemon_host: str | None = None) -> Network:
        """Return ``base`` with these options, and with ``daemon_host`` unless that is None or empty."""
        agent = f"skopeo/{SKOPEO} {base.user_agent}" if program() == "skopeo" else base.user_agent
        prefix = self.user_agent_prefix
        return replace(
            base,
            retry=self.retry,
            stall_timeout=self.stall_timeout,
            response_timeout=self.response_timeout,
            ranges=self.ranges,
            user_agent=f"{prefix} {agent}" if prefix else agent,
            daemon_host=daemon_host or base.daemon_host,
            offline=self.offline,
            rate_limits=self.rate_limits,
            program=program(),
        )

    def trust(self, base: Trust, verify: bool | None, cert_dir: Path | None) -> Trust:
        """Return ``base`` with these options, and ``--tls-verify`` and ``--cert-dir`` of one side."""
        return replace(
            base,
            insecure=None if verify is None else not verify,
            cert_dir=cert_dir,
            details=self.tls_details,
            realms=self.realms,
        )


def _read_rate(parsed: Parsed, name: str) -> int:
    return parsed.get(name, int) if name in parsed.values else 0


def _retry(parsed: Parsed) -> Retry:
    retry = replace(Retry(), max_retry_after=parsed.get("max-retry-after", float))
    times, delay = parsed.optional("retry-times", int), parsed.optional("retry-delay", float)
    if times is not None:
        if times < 0:
            raise UsageError("--retry-times: want 0 or more")
        retry = replace(retry, times=times)
    return replace(retry, delay=delay, fixed=True) if delay else retry


def _timeouts(parsed: Parsed) -> tuple[float, float]:
    """Return the stall timeout and the response timeout."""
    found = {name: parsed.optional(name, float) for name in ("stall-timeout", "response-timeout")}
    for name, seconds in found.items():
        if seconds is not None and seconds <= 0:
            raise UsageError(f"--{name}: want more than 0")
    stall, response = found.values()
    if stall is None:
        return Network().stall_timeout, response or Network().response_timeout
    # A user who does not want to wait long for bytes does not want to wait minutes for an answer either.
    return stall, response or 3 * stall


def _ranges(parsed: Parsed) -> Ranges:
    if "range-parts" not in parsed.values:
        return Ranges()
    parts, size = parsed.get("range-parts", int), parsed.get("range-size", int)
    if parts < 0:
        raise UsageError("--range-parts: want 0 or more")
    if size < _LEAST_RANGE_SIZE:
        raise UsageError("--range-size: want 1M or more")
    return Ranges(parts, size)


def _user_agent_prefix(parsed: Parsed) -> str:
    prefix = parsed.optional("user-agent-prefix", str) or ""
    if not (prefix.isascii() and prefix.isprintable()):
        raise UsageError("--user-agent-prefix: want printable ASCII characters")
    return prefix


def _tls_details(path: Path | None) -> TlsDetails | None:
    if path is None:
        return None
    from ..config.tls_details import load

    return load(path)
