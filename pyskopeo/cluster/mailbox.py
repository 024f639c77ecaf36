"""The messages of one attempt at a task, on the worker's side."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from .topics import TO_PROGRAM, Message, pack, unpack, worker_topic

if TYPE_CHECKING:
    from types import TracebackType

    from distributed import Worker

_INTERVAL = 0.25  # seconds between two packets of messages that are not urgent
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0  # seconds between two introductions
_UNANSWERED = 60.0  # seconds after which nobody is there

# The attempts of this process, by their names: each is called in its own event loop.
_receivers: dict[str, Callable[[Message], None]] = {}


class NotAnswered(Exception):
    """The program that runs the sync does not answer."""


def _deliver(event: object) -> None:
    """Hand the messages of a topic's event to the attempt that they are for; Dask calls it, in a thread of its own."""
    _, attempt, messages = unpack(event)
    receive = _receivers.get(attempt)
    if receive is not None:
        for message in messages:
            receive(message)


class Mailbox:
    """Sends messages of one attempt at a task, and calls ``receive`` with those for it, in the event loop of the task.

    An async context manager. `put` keeps messages back for a moment, so that many go together; of what `put_latest`
    is given, the latest.
    """

    def __init__(self, worker: Worker, run: str, receive: Callable[[Message], None]) -> None:
        from anyio import Event

        self._worker, self._run, self._receive = worker, run, receive
        self.attempt = secrets.token_hex(8)
        self._pending: list[Message] = []
        self._latest: dict[object, Message] = {}
        self._urgent, self._answered = Event(), Event()
        self._answer: Message = {}

    async def __aenter__(self) -> Self:
        import asyncio

        loop = asyncio.get_running_loop()

        def receive(message: Message) -> None:
            try:
                loop.call_soon_threadsafe(self._take, message)
            except RuntimeError:  # the attempt has ended meanwhile
                _receivers.pop(self.attempt, None)

        _receivers[self.attempt] = receive
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _receivers.pop(self.attempt, None)
        self.put({"kind": "ended"})
        self.flush()

    def _take(self, message: Message) -> None:
        if message["kind"] == "welcome":
            self._answer = message
            self._answered.set()
        else:
            self._receive(message)

    def put(self, message: Message, *, urgent: bool = False) -> None:
        """Send a message soon, or as soon as this task waits for something."""
        self._pending.append(message)
        if urgent:
            self._urgent.set()

    def put_latest(self, subject: object, message: Message | None) -> None:
        """Send a message about ``subject``, unless a newer one takes its place before; None: send none."""
        if message is None:
            self._latest.pop(subject, None)
        else:
            self._latest[subject] = message

    async def send_all(self) -> None:
        """Send messages until this is cancelled."""
        from anyio import sleep

        while True:
            await sleep(_INTERVAL)
            self.flush()

    async def send_urgent(self) -> None:
        """Send messages as soon as one is urgent, until this is cancelled."""
        from anyio import Event

        while True:
            await self._urgent.wait()
            self._urgent = Event()
            self._send([])

    def flush(self) -> None:
        """Send what is there."""
        latest, self._latest = list(self._latest.values()), {}
        self._send(latest)

    def _send(self, more: list[Message]) -> None:
        messages, self._pending = [*self._pending, *more], []
        if messages:
            self._worker.log_event(TO_PROGRAM, pack(self._run, self.attempt, messages))

    async def introduce(self, message: dict[str, Any]) -> Message:
        """Send ``message`` until the program answers, and return the answer; raises `NotAnswered`.

        Dask may deliver the first ones before the topic of this worker is subscribed to.
        """
        from anyio import current_time, move_on_after
        from distributed import get_client

        client = get_client()
        until, wait = current_time() + _UNANSWERED, _FIRST_WAIT
        while not self._answered.is_set():
            if current_time() > until:
                raise NotAnswered
            client.subscribe_topic(worker_topic(self._worker.address), _deliver)  # type: ignore[no-untyped-call]  # Dask's
            self.put({"kind": "hello", **message})
            self.flush()
            with move_on_after(wait):
                await self._answered.wait()
            wait = min(2 * wait, _LONGEST_WAIT)
        return self._answer
