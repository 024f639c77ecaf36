"""What a proxy knows of what may change upstream: asked for from time to time, and kept while upstream is down."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from ..errors import AccessDenied, ConnectionFailed, NetworkError, RegistryError, StorageFailed
from ..fast_dataclass import dataclass
from ..streams.concurrency import SingleFlight

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
# Seconds for which an upstream that has failed is not asked again for what is known.
_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Fresh(Generic[Value]):
    """A value, and ``until`` when it is good by the monotonic clock.

    ``problem`` is why upstream did not confirm it; "" if it did.
    """

    value: Value
    until: float
    problem: str = ""


class FreshValues(Generic[Key, Value]):
    """Values that are asked for again after ``fresh`` seconds, once however many tasks want them.

    ``ask`` requests a value; ``stored`` returns one that was stored earlier, None for none. At most about ``limit``
    values are remembered. An upstream that takes longer than ``patience`` seconds (None: any time) is taken for one
    that is down where there is a value of an earlier time.
    """

    def __init__(
        self,
        fresh: float,
        ask: Callable[[Key], Awaitable[Value]],
        stored: Callable[[Key], Awaitable[Value | None]],
        *,
        limit: int,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fresh, self._ask, self._stored, self._clock = fresh, ask, stored, clock
        self._limit, self._patience = limit, patience
        self._values: SingleFlight[Key, Fresh[Value]] = SingleFlight()

    async def get(self, key: Key) -> Fresh[Value]:
        """Return a value; raises what asking for it raises if there is none of an earlier time."""
        if len(self._values.values) >= self._limit and key not in self._values.values:
            self._values = SingleFlight()
        values = self._values

        async def make() -> Fresh[Value]:
            try:
                return Fresh(await self._ask_in_time(key, key in values.values), self._clock() + self._fresh)
            except (NetworkError, StorageFailed) as error:
                if not is_outage(error):
                    raise
                known = values.values.get(key)
                value = known.value if known is not None else await self._stored(key)
                if value is None:
                    raise
                return Fresh(value, self._clock() + _PAUSE, str(error))

        return await values.get(key, make, usable=lambda found: self._clock() < found.until)

    async def _ask_in_time(self, key: Key, known: bool) -> Value:
        from anyio import move_on_after

        if self._patience is None or not (known or await self._stored(key) is not None):
            return await self._ask(key)
        with move_on_after(self._patience):
            return await self._ask(key)
        raise ConnectionFailed(f"no answer within {self._patience:g} s")


def is_outage(error: Exception) -> bool:
    """Return whether an error says nothing about what was asked for: then what is known is still served."""
    if isinstance(error, RegistryError):
        return error.temporary and not isinstance(error, AccessDenied)
    return isinstance(error, NetworkError)
