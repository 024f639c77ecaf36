"""The events that every command logs: warnings, retries, and with ``--debug`` requests and decisions."""

from __future__ import annotations

from ..model.events import Event, Explained, Requested, Retrying, Warned, ignore
from .log import debugging, log


def warnings_only(event: Event) -> None:
    """Log warnings and retries, and with ``--debug`` the details; ignore all other events."""
    if isinstance(event, Warned | Retrying):
        log("warning", _warning(event))
    elif isinstance(event, Requested | Explained):
        if debugging():
            log("debug", _detail(event))
    else:
        ignore(event)


def _detail(event: Requested | Explained) -> str:
    if isinstance(event, Explained):
        return event.message
    return f"{event.method} {event.url}: {event.status or 'no answer'} after {event.seconds * 1000:.0f} ms"


def _warning(event: Warned | Retrying) -> str:
    if isinstance(event, Warned):
        return event.message
    reason = event.reason.removeprefix(f"{event.what}: ")
    return f"{event.what}: failed, retrying in {event.delay:.1f}s. Error: {reason}"
