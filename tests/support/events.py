"""What a copy reports: all of it, its retries, and its warnings."""

from __future__ import annotations

from pyskopeo.model.events import Event, Retrying, Warned


class EventLog:
    """``events`` are all that was reported."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @property
    def retries(self) -> list[Retrying]:
        """What was said about repeating."""
        return [event for event in self.events if isinstance(event, Retrying)]

    @property
    def warnings(self) -> list[str]:
        """What was warned of."""
        return [event.message for event in self.events if isinstance(event, Warned)]
