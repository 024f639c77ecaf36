"""The messages to the workers, sent together while others are on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .topics import Message, pack, worker_topic

if TYPE_CHECKING:
    from .connection import Scheduler


class Outgoing:
    """Sends messages to attempts at the tasks of ``run``: in order, those to one attempt together."""

    def __init__(self, scheduler: Scheduler, run: str) -> None:
        from anyio import Event

        self._scheduler, self._run = scheduler, run
        self._messages: dict[tuple[str, str], list[Message]] = {}
        self._due = Event()

    def put(self, address: str, attempt: str, message: Message) -> None:
        """Send a message to an attempt on the worker at ``address``."""
        self._messages.setdefault((address, attempt), []).append(message)
        self._due.set()

    async def send_all(self) -> None:
        """Send messages until this is cancelled; raises `ConnectionFailed`."""
        from anyio import Event

        while True:
            await self._due.wait()
            self._due = Event()
            await self.flush()

    async def flush(self) -> None:
        """Send what is there; raises `ConnectionFailed`."""
        from ..streams.concurrency import each

        messages, self._messages = self._messages, {}

        async def send(key: tuple[str, str]) -> None:
            address, attempt = key
            await self._scheduler.tell(worker_topic(address), pack(self._run, attempt, messages[key]))

        await each(messages, send, at_once=len(messages) or 1)
