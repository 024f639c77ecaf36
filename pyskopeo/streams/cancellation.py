"""Blocking work in a worker thread, and how it ends when its task is cancelled.

`run_in_thread` runs the work under one `Cancellation`. Code that loops calls `check_cancelled` once a
buffer; code that may block for long says within `on_cancel` how it is woken. Nothing is passed along: the
token is that of the running thread. In a thread that `run_in_thread` did not start, nothing is cancelled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from anyio import CapacityLimiter

T = TypeVar("T")
# Seconds between two looks at whether a thread that was cancelled has ended.
_POLL = 0.005


class Cancelled(Exception):
    """Ends a worker thread whose task was cancelled; never reaches a caller."""


class Cancellation:
    """The cancellation of one piece of blocking work.

    `cancel` is called in the event loop, everything else in the thread that does the work.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.begun = self.cancelled = False
        # One for each call under way, the innermost last.
        self._callbacks: list[Callable[[], None]] = []

    @staticmethod
    def current() -> Cancellation:
        """The cancellation of what the running thread does."""
        return _running.cancellation

    def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in this thread under this cancellation; raises `Cancelled` if it comes too late."""
        with self._lock:
            self.check()
            self.begun = True
        outer, _running.cancellation = _running.cancellation, self
        try:
            return work()
        finally:
            _running.cancellation = outer

    def check(self) -> None:
        """Raises `Cancelled` once the work is cancelled."""
        if self.cancelled:
            raise Cancelled

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Have ``callback`` wake the blocking call within: make it return or raise soon.

        It is called in the event loop's thread, only while this context is the innermost one, and has
        returned before the context is left; so it may use what is closed after that. It must not block,
        and not use this cancellation. Raises `Cancelled` on entering and on leaving once the work is
        cancelled, whatever the call made of being woken.
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
        """Wake the call that blocks, if one does; whatever checks from now on raises `Cancelled`."""
        with self._lock:
            self.cancelled = True
            if self._callbacks:
                self._callbacks[-1]()


class _Running(threading.local):
    """What each thread does; its own, which nobody cancels, while `run_in_thread` gives it nothing."""

    def __init__(self) -> None:
        self.cancellation = Cancellation()


_running = _Running()


def check_cancelled() -> None:
    """Raises `Cancelled` once what the running thread does is cancelled."""
    _running.cancellation.check()


def on_cancel(callback: Callable[[], None]) -> AbstractContextManager[None]:
    """`Cancellation.on_cancel` for the running thread."""
    return _running.cancellation.on_cancel(callback)


async def run_in_thread(
    work: Callable[[], T], *, discard: Callable[[T], None] | None = None, limiter: CapacityLimiter | None = None
) -> T:
    """Run ``work`` in a worker thread, one of ``limiter``; cancelling this task cancels the work.

    The thread is waited for even then, since it still owns its file; work that waits for a thread when
    the task is cancelled is never begun. With ``discard`` the thread is left to itself instead, for work
    that cannot always be woken; a result which nobody takes any more is passed to ``discard``. Raises
    what ``work`` raises.
    """
    from anyio import CancelScope, get_cancelled_exc_class, sleep, to_thread

    cancellation, ended = Cancellation(), threading.Event()
    untaken: list[T] = []

    def thread() -> T:
        try:
            result = cancellation.run(work)
            if discard is not None:
                untaken.append(result)
                if cancellation.cancelled:
                    _discard(untaken, discard)
            return result
        finally:
            ended.set()

    try:
        return await to_thread.run_sync(thread, abandon_on_cancel=True, limiter=limiter)
    except get_cancelled_exc_class():
        cancellation.cancel()
        if discard is not None:
            _discard(untaken, discard)
        elif cancellation.begun:
            with CancelScope(shield=True):
                while not ended.is_set():  # noqa: ASYNC110 - set by a thread, which no event reaches when abandoned
                    await sleep(_POLL)
        raise


def _discard(untaken: list[T], discard: Callable[[T], None]) -> None:
    """Discard the result, if there is one; called by both threads, since either may be the last to look."""
    try:
        result = untaken.pop()
    except IndexError:
        return
    discard(result)
