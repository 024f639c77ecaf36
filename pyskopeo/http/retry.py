"""The retry policy: number of retries after transient failures, and the wait before each."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import PyskopeoError, RegistryError
from ..fast_dataclass import dataclass
from ..model.events import Report, Retrying

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from .request_quota import RequestQuotas


T = TypeVar("T")
U = TypeVar("U")
# Seconds.
_MAX_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Retry:
    """The number of retries after transient failures, ``times``, and the waits between them.

    ``delay`` is the first wait in seconds. It doubles with each retry, up to a minute, unless ``fixed``; up to 10 %
    are added at random, so that many clients do not retry at the same moment. A server's ``Retry-After`` is honoured
    up to ``max_retry_after`` seconds; there is no retry for one that asks to wait longer. ``quotas`` note how many
    requests servers allow, None if nobody wants to know: while one allows none, there is no retry either.
    """

    times: int = 4
    delay: float = 0.5
    fixed: bool = False
    max_retry_after: float = 300.0
    quotas: RequestQuotas | None = field(default=None, repr=False, compare=False)

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait after failed attempt number ``attempt``, counted from 0.

        ``retry_after`` is the server's ``Retry-After`` in seconds, None if it sent none.
        """
        if retry_after is not None:
            return min(max(retry_after, 0.0), self.max_retry_after)
        grown = self.delay if self.fixed else self.delay * 2.0 ** min(attempt, 32)
        return min(grown, _MAX_WAIT) * (1.0 + int.from_bytes(os.urandom(2)) / 65536 * 0.1)

    def applies_to(self, error: PyskopeoError, attempt: int) -> bool:
        """Return whether to retry after ``error`` in attempt number ``attempt``, counted from 0."""
        return error.temporary and not error.retried and attempt < self.times

    def check_wait(self, error: PyskopeoError, host: str = "") -> PyskopeoError:
        """Return ``error``; if its ``Retry-After`` is too long, its message says so, and it is not retried.

        Nor is it if the server ``host`` allows no requests for now.
        """
        if self.quotas is not None and isinstance(error, RegistryError) and error.status == 429:
            error.retried = error.retried or self.quotas.pause(host) > 0
        seconds = error.retry_after if isinstance(error, RegistryError) else None
        if seconds is not None and seconds > self.max_retry_after and error.temporary:
            limit = f"longer than {self.max_retry_after:g} s (--max-retry-after)"
            error.args = (f"{error}; the server asks to wait {seconds:.0f} s before a retry, {limit}", *error.args[1:])
            error.retried = True
        return error

    async def run(self, attempt_once: Callable[[], Awaitable[T]], what: str, report: Report) -> T:
        """Call ``attempt_once`` until it succeeds, raises an error that is not temporary, or has been retried
        ``times`` times; raises its last error. ``report`` gets `Retrying` before each wait."""
        attempt = 0
        while True:
            try:
                return await attempt_once()
            except PyskopeoError as error:
                if not self.applies_to(error, attempt):
                    raise
                await self.pause(error, attempt, what, report)
                attempt += 1

    async def pause(self, error: PyskopeoError, attempt: int, what: str, report: Report) -> None:
        """Report that attempt number ``attempt`` at ``what`` failed with ``error``, and wait before the next one."""
        from anyio import sleep

        delay = self.wait(attempt, error.retry_after if isinstance(error, RegistryError) else None)
        report(Retrying(what, str(error), round(delay, 3)))
        await sleep(delay)


class Call(Generic[T]):
    """A call to a registry that has not been made yet; ``what`` describes it in events, ``retry`` is its policy.

    Awaiting it makes the call and retries it after transient failures; `once` makes it without a retry.
    """

    def __init__(self, what: str, once: Callable[[], Coroutine[Any, Any, T]], retry: Retry, report: Report) -> None:
        self.what, self.once, self.retry = what, once, retry
        self._report = report

    def __await__(self) -> Generator[Any, None, T]:
        return self.retry.run(self.once, self.what, self._report).__await__()

    def then(self, parse: Callable[[T], U]) -> Call[U]:
        """Return a call with the result ``parse(result)``; an error that ``parse`` raises is an error of the call."""

        async def once() -> U:
            return parse(await self.once())

        return Call(self.what, once, self.retry, self._report)
