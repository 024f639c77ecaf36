"""Run blocking work in worker threads that end when the task that waits for them is cancelled.

`run_in_thread` runs the work under one `Cancellation`. Blocking code that loops calls `check_cancelled` once per
buffer; code that may block for long registers, with `on_cancel`, a callback that wakes it up. The `Cancellation` is
kept in a thread-local variable, so it is never passed as an argument. In a thread that `run_in_thread` did not start,
nothing is ever cancelled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from .worker_threads import run_in_worker, running_loop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from anyio import CapacityLimiter

T = TypeVar("T")
# Seconds between two checks whether a thread that was cancelled has ended.
_POLL = 0.005


class Cancelled(Exception):
    """Raised inside a worker thread whose task was cancelled; no caller of `run_in_thread` sees it."""


class Cancellation:
    """The cancellation state of one blocking function that runs in a worker thread.

    `cancel` is called in the event loop's thread, every other method in the worker thread. ``begun`` tells whether
    `run` has called the function, ``ended`` whether its thread is done with it, ``cancelled`` whether `cancel` was
    called. ``loop`` is the event loop of asyncio that waits for it, None if another does.
    """

    def __init__(self, loop: AbstractEventLoop | None = None) -> None:
        self.loop = loop
        self._lock = threading.Lock()
        self.begun = self.ended = self.cancelled = False
        # One for each `on_cancel` context that is active, the innermost last.
        self._callbacks: list[Callable[[], None]] = []

    @staticmethod
    def current() -> Cancellation:
        """Return the cancellation of the calling thread."""
        return _running.cancellation

    def run(self, work: Callable[[], T]) -> T:
        """Call ``work`` in this thread under this cancellation and return its result.

        Raises `Cancelled`, without calling it, if `cancel` was called before, and whatever ``work`` raises.
        """
        with self._lock:
            self.check()
            self.begun = True
        outer, _running.cancellation = _running.cancellation, self
        try:
            return work()
        finally:
            _running.cancellation = outer

    def check(self) -> None:
        """Raise `Cancelled` if `cancel` was called."""
        if self.cancelled:
            raise Cancelled

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Register ``callback`` to wake up the blocking call inside this context: to make it return or raise soon.

        It is called in the event loop's thread, only while this context is the innermost one, and has returned before
        the context is left; so it may use objects that are closed after the context. It must neither block nor use
        this cancellation. Raises `Cancelled` on entering and on leaving the context if the work is cancelled, whatever
        the blocking call returned or raised.
        """
        with self._lock:
            self.check()
            self._callbacks.append(callback)
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop()
            self.check()

    def cancel(self) -> None:
        """Wake up the call that blocks, if any; from now on every `check` raises `Cancelled`."""
        with self._lock:
            self.cancelled = True
            if self._callbacks:
                self._callbacks[-1]()


class _Running(threading.local):
    """The `Cancellation` of each thread: one that is never cancelled, unless `run_in_thread` has set another."""

    def __init__(self) -> None:
        self.cancellation = Cancellation()


_running = _Running()


def check_cancelled() -> None:
    """Raise `Cancelled` if the work of the calling thread is cancelled."""
    _running.cancellation.check()


def on_cancel(callback: Callable[[], None]) -> AbstractContextManager[None]:
    """Return a context that registers ``callback`` for the calling thread; see `Cancellation.on_cancel`."""
    return _running.cancellation.on_cancel(callback)


async def run_in_thread(
    work: Callable[[], T], *, discard: Callable[[T], None] | None = None, limiter: CapacityLimiter | None = None
) -> T:
    """Call ``work`` in a worker thread and return its result; cancelling this task cancels the work.

    ``limiter`` bounds the number of threads; None is anyio's default limiter. After cancellation this function still
    waits for the thread to end, since the thread owns its file or socket; work that had not begun by then never
    begins. With ``discard`` the thread is abandoned instead, for work that cannot always be woken up: if it returns a
    result after that, ``discard`` is called with the result, to close it. Raises whatever ``work`` raises.
    """
    import anyio.to_thread

    loop = running_loop()
    cancellation = Cancellation(loop)
    unclaimed: list[T] = []

    def thread() -> T:
        try:
            result = cancellation.run(work)
            if discard is not None:
                unclaimed.append(result)
                if cancellation.cancelled:
                    _discard(unclaimed, discard)
            return result
        finally:
            cancellation.ended = True

    try:
        if loop is not None:
            return await run_in_worker(loop, thread, limiter)
        return await anyio.to_thread.run_sync(thread, abandon_on_cancel=True, limiter=limiter)
    except anyio.get_cancelled_exc_class():
        cancellation.cancel()
        if discard is not None:
            _discard(unclaimed, discard)
        elif cancellation.begun:
            with anyio.CancelScope(shield=True):
                while not cancellation.ended:  # noqa: ASYNC110 - an abandoned thread cannot set an anyio event
                    await anyio.sleep(_POLL)
        raise


def _discard(unclaimed: list[T], discard: Callable[[T], None]) -> None:
    """Discard the result, if there is one; called by both threads, since either may be the last to act."""
    try:
        result = unclaimed.pop()
    except IndexError:
        return
    discard(result)
