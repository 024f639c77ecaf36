"""An event loop in a thread of its own, for code that is not async, or that runs in another event loop."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from ..errors import InvalidInput

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

T = TypeVar("T")
AtEnd = Callable[[], Awaitable[None]]


class LoopThread:
    """Runs coroutines in an event loop in another thread, which is started for the first one.

    ``at_end`` is called in the event loop before it ends: with `close`, or, as Python would wait for the thread for
    ever, when the main thread has ended and no coroutine is running. It is started again if there is another one.
    Threads may share an object. In a process that was forked after the first coroutine there is no such thread: the
    object refuses to run anything there.
    """

    def __init__(self, at_end: AtEnd) -> None:
        self._at_end = at_end
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._portal: BlockingPortal | None = None
        self._process = 0  # where the thread is
        self._calls, self._closed = 0, False

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine; return its result, raise what it raises, and `InvalidInput` after `close` or a fork.

        When the wait is interrupted, as by Ctrl-C, the coroutine is cancelled, and this returns when it has ended.
        """
        with self._calling(work) as future:
            return _result(future)

    @contextmanager
    def entered(self, context: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter an async context manager in the event loop, and leave it there.

        After an exception in the body it is cancelled, as by Ctrl-C in `run`.
        """
        opened, leaving = Future[T](), list[Callable[[], None]]()

        async def hold() -> None:
            from anyio import Event

            left = Event()
            leaving.append(left.set)
            async with context as value:
                opened.set_result(value)
                await left.wait()

        with self._calling(hold) as held:
            held.add_done_callback(lambda _: opened.cancel())
            try:
                value = opened.result()
            except CancelledError:  # it ended before it was open
                _result(held)
                raise
            yield value
            with self._lock:
                if self._portal is not None:
                    self._portal.start_task_soon(leaving[0])
            _result(held)

    @contextmanager
    def _calling(self, work: Callable[[], Awaitable[T]]) -> Iterator[Future[T]]:
        """Start a coroutine, in an event loop that is started if there is none, and yield its future."""
        ended = threading.Event()

        async def noted() -> T:
            try:
                return await work()
            finally:
                ended.set()

        if threading.current_thread() is self._thread:
            raise InvalidInput("a blocking client cannot be called in its own event loop, as by its report")
        if self._is_forked():
            raise InvalidInput("the client belongs to the process that this one was forked from: make another one")
        with self._lock:  # so that the loop cannot end between
            if self._closed:
                raise InvalidInput("the client is closed")
            portal = self._portal = self._portal or self._start()
            future = portal.start_task_soon(noted)
            self._calls += 1
        try:
            yield future
        except BaseException:
            if not future.done():
                future.cancel()
                ended.wait()
            raise
        finally:
            with self._lock:
                self._calls -= 1
            if not threading.main_thread().is_alive():
                self.stop_if_idle()

    def _start(self) -> BlockingPortal:
        started: Future[BlockingPortal] = Future()
        self._thread = threading.Thread(target=_serve, args=(started, self._at_end), name="pyskopeo client")
        self._process = os.getpid()
        self._thread.start()
        portal = started.result()
        _stop_at_exit(self)
        return portal

    def _is_forked(self) -> bool:
        """Return whether the thread is in another process; then not even the lock can be used, which it may hold."""
        return self._process not in (0, os.getpid())

    def stop_if_idle(self) -> None:
        """End the thread, if there is one and no coroutine is running."""
        if self._is_forked():
            return
        with self._lock:
            if not self._calls:
                self._stop()

    def close(self) -> None:
        """Cancel what is running, and wait until the thread has ended."""
        if self._is_forked():
            return
        if self._thread is threading.current_thread():  # by the garbage collector
            threading.Thread(target=self.close, name="pyskopeo close").start()
            return
        with self._lock:
            self._closed = True
            self._stop()

    def _stop(self) -> None:
        portal, thread, self._portal, self._thread = self._portal, self._thread, None, None
        if portal is not None and thread is not None:
            portal.start_task_soon(portal.stop, True)
            thread.join()


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except CancelledError:
        raise InvalidInput("the client was closed during the call") from None


def _serve(started: Future[BlockingPortal], at_end: AtEnd) -> None:
    import anyio
    from anyio.from_thread import BlockingPortal

    async def serve() -> None:
        try:
            async with BlockingPortal() as portal:
                started.set_result(portal)
                await portal.sleep_until_stopped()
        finally:
            await at_end()

    try:
        anyio.run(serve)
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


_started: weakref.WeakSet[LoopThread] = weakref.WeakSet()
_watching = threading.Lock()
_watcher: threading.Thread | None = None


def _stop_at_exit(loop: LoopThread) -> None:
    """Have the loop stopped when the main thread has ended."""
    global _watcher  # noqa: PLW0603 - one thread for all loops
    with _watching:
        _started.add(loop)
        if _watcher is None or not _watcher.is_alive():  # it is not in a process that was forked
            _watcher = threading.Thread(target=_watch, name="pyskopeo exit", daemon=True)
            _watcher.start()


def _watch() -> None:
    threading.main_thread().join()
    with _watching:
        loops = list(_started)
    for loop in loops:
        loop.stop_if_idle()
