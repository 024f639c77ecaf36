"""How many requests servers allow, as they say in their responses, and until when they allow none.

``RateLimit-Limit``, ``-Remaining`` and ``-Reset`` (an IETF draft up to its sixth version, and Docker Hub, which gives
the seconds of the period as ``76;w=21600`` and no time of a reset), the same with ``X-`` before them, ``RateLimit``
with ``r`` and ``t`` (later versions of the draft), and ``Retry-After`` of a 429 (RFC 6585 section 4).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from ..fast_dataclass import dataclass
from .retry_after import parse_retry_after

_NUMBER = r'[ \t]*"?([0-9]{1,15})"?'
_WINDOW = r";[ \t]*w=([0-9]{1,9})"
_LONGEST = 86400.0  # seconds that are believed
# Seconds. Without a time of the reset a server is asked again so often, at most as often as its period.
_ASK_AGAIN = 900.0
# A number of seconds since 1970 rather than from now.
_EPOCH = 10**8
_SHORT = 10.0  # seconds; so long the ordinary retries wait


@dataclass(frozen=True, slots=True)
class RequestQuota:
    """What a server says of its limit: ``remaining`` of ``limit`` requests in ``window`` seconds; None: not stated.

    ``reset`` is the number of seconds until there are more.
    """

    limit: int | None = None
    remaining: int | None = None
    window: float | None = None
    reset: float | None = None

    @classmethod
    def parse(cls, headers: Mapping[str, str], now: float) -> RequestQuota:
        """Parse the headers of a response, whose names are in lower case; ``now`` is the time in seconds since 1970.

        What cannot be understood counts as not stated.
        """
        limits, left, reset = (_first(headers, name) for name in ("limit", "remaining", "reset"))
        window = next((found for text in (left, limits) if (found := _number(_WINDOW, text, search=True))), None)
        seconds = _number(_NUMBER, reset)
        combined = headers.get("ratelimit", "")
        remaining = _number(_NUMBER, left)
        if remaining is None:
            remaining = _number(r";[ \t]*r=([0-9]{1,15})", combined, search=True)
            seconds = seconds if seconds is not None else _number(r";[ \t]*t=([0-9]{1,9})", combined, search=True)
        wait = None if seconds is None else float(seconds - now if seconds >= _EPOCH else seconds)
        return cls(
            _number(_NUMBER, limits), remaining, None if window is None else min(float(window), _LONGEST),
            None if wait is None else min(max(wait, 0.0), _LONGEST),
        )  # fmt: skip

    def wait(self, retry_after: float | None = None) -> float | None:
        """Return the seconds after which to ask again if no requests are left; None if there are, or nothing is known.

        ``retry_after`` is that of a response with the status 429.
        """
        if retry_after is not None:
            return min(retry_after, _LONGEST)
        if self.remaining != 0:
            return None
        if self.reset is not None:
            return self.reset
        return min(self.window or _ASK_AGAIN, _ASK_AGAIN)


class RequestQuotas:
    """What the registries of one run have said, by their hosts. ``now`` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._quotas: dict[str, RequestQuota] = {}
        self._paused: dict[str, float] = {}  # until when

    def note(self, host: str, status: int, headers: Mapping[str, str]) -> None:
        """Note what a response of the registry ``host`` says."""
        quota = RequestQuota.parse(headers, time.time())
        if quota.remaining is not None:
            self._quotas[host] = quota
        refused = status == 429
        seconds = quota.wait(parse_retry_after(headers.get("retry-after")) if refused else None)
        if refused and seconds is not None and seconds > _SHORT:
            self._paused[host] = self._now() + seconds
        elif quota.remaining:
            self._paused.pop(host, None)

    def pause(self, host: str) -> float:
        """Return the seconds for which a registry allows no requests, 0 if it does, or has said nothing."""
        return max(self._paused.get(host, 0.0) - self._now(), 0.0)

    @property
    def known(self) -> Mapping[str, RequestQuota]:
        """The last that each registry has said."""
        return self._quotas


def _first(headers: Mapping[str, str], name: str) -> str:
    return headers.get(f"ratelimit-{name}") or headers.get(f"x-ratelimit-{name}") or ""


def _number(pattern: str, text: str, *, search: bool = False) -> int | None:
    found = (re.search if search else re.match)(pattern, text[:200], re.ASCII)
    return int(found[1]) if found else None
