"""The settings of one side of a command, where they are needed before the command itself begins."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..fast_dataclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..access import Access
    from ..model.events import Event, Report
    from ..registry.preconnections import Preconnections


class EarlyAccess:
    """Holds an `Access` until the command asks for one, and its events until the command has said who gets them.

    So configuration files are read once, and what was found in them is reported as ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._access: Access | None = None
        self._report: Report | None = None
        self._events: list[Event] = []

    def make(self, new_access: Callable[[Report], Access], connections: Preconnections) -> Access:
        """Return what ``new_access`` makes for a receiver of events, with ``connections``, and keep it."""
        made = new_access(self._receive)
        self._access = replace(made, network=replace(made.network, preconnections=connections))
        return self._access

    def take(self, report: Report) -> Access | None:
        """Return what was kept, once; None if there is nothing. From now on ``report`` gets the events."""
        access, self._access = self._access, None
        if access is not None:
            with self._lock:
                self._report, events = report, self._events
            for event in events:
                report(event)
        return access

    def drop(self) -> None:
        """Forget the access and its events: the command makes an own one, and reads all again."""
        self._access = None
        self._events.clear()

    def _receive(self, event: Event) -> None:
        with self._lock:
            if (report := self._report) is None:
                self._events.append(event)
        if report is not None:
            report(event)
