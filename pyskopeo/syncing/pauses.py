"""Pauses of a run, while registries allow no requests: how long they are, and who is told."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from ..errors import RegistryError
from ..http.request_quota import RequestQuotas
from .sync_request import LogMessage

if TYPE_CHECKING:
    from ..access import Access
    from ..model.reference import Reference
    from ..registry.tag_pages import TagList
    from .sync_request import SyncSink

ListTags: TypeAlias = Callable[["Reference", "Access"], Awaitable["TagList"]]


class Pauses:
    """The pauses of the registries of one run; ``emit`` is told once about each, with the time of its end."""

    def __init__(self, quotas: RequestQuotas, emit: SyncSink) -> None:
        self._quotas, self._emit = quotas, emit
        self._told: dict[str, float] = {}

    def seconds(self, registries: Iterable[str]) -> float:
        """Return for how many seconds one of some registries allows no requests, 0 if all of them do."""
        longest = 0.0
        for host in registries:
            seconds = self._quotas.pause(host)
            if seconds > 0 and self._told.get(host, 0.0) < time.monotonic():
                self._told[host] = time.monotonic() + seconds
                self._emit(LogMessage("warning", f"{describe_pause(host, seconds, self._quotas)}: waiting for that"))
            longest = max(longest, seconds)
        return longest

    def explained(self, registries: Iterable[str], error: RegistryError) -> RegistryError:
        """Return an error whose message says until when a registry allows no requests."""
        for host in registries:
            if (seconds := self._quotas.pause(host)) > 0:
                error.args = (f"{error}; {describe_pause(host, seconds, self._quotas)}", *error.args[1:])
        return error

    def patient(self, list_tags: ListTags) -> ListTags:
        """Return ``list_tags``, which waits while a registry allows no requests, and asks again then."""

        async def list_patiently(reference: Reference, access: Access) -> TagList:
            from anyio import sleep

            while True:
                try:
                    return await list_tags(reference, access)
                except RegistryError as error:
                    seconds = self.seconds([reference.registry]) if error.status == 429 else 0.0
                    if not seconds:
                        raise
                await sleep(seconds)

        return list_patiently


def describe_pause(
    host: str, seconds: float, quotas: RequestQuotas, now: Callable[[], datetime] = datetime.now
) -> str:
    """Return the message about a registry that allows no requests for a while."""
    until, today = now() + timedelta(seconds=seconds), now().date()
    moment = until.strftime("%H:%M:%S" if until.date() == today else "%Y-%m-%d %H:%M:%S")
    quota = quotas.known.get(host)
    limit = ""
    if quota is not None and quota.limit is not None:
        every = "" if quota.window is None else f" in {_period(quota.window)}"
        limit = f" (limit: {quota.limit} requests{every})"
    return f"{host} allows no more requests{limit} until {moment}"


def _period(seconds: float) -> str:
    """Return a period as people say it, such as ``6 h``."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
