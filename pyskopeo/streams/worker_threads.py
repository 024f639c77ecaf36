"""Threads for blocking work that tasks of asyncio wait for.

For each call `anyio.to_thread.run_sync` takes three turns of the event loop, and twice the processor time of this.
There is a call for each request, and for each blob. On other event loops its threads do the work.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from anyio import CapacityLimiter

T = TypeVar("T")
# Seconds after which a thread without work ends.
_IDLE_SECONDS = 10.0


def running_loop() -> AbstractEventLoop | None:
    """Return the event loop of the task that is running, None if it is not of asyncio."""
    asyncio = sys.modules.get("asyncio")
    try:
        # Not only the loop: another one may run within it, as trio's "guest mode" does.
        return asyncio.get_running_loop() if asyncio is not None and asyncio.current_task() is not None else None
    except RuntimeError:
        return None


async def run_in_worker(loop: AbstractEventLoop, work: Callable[[], T], limiter: CapacityLimiter | None) -> T:
    """Call ``work`` in a thread and return its result, or raise what it raises; called in a task of ``loop``.

    ``limiter`` bounds the number of threads; None is anyio's default limiter. Other tasks have a turn before the work
    begins, as with anyio: one that fails at once may cancel it. The thread has the task's context variables. If the
    task is cancelled, it does not wait for the thread.
    """
    from anyio import WouldBlock, to_thread
    from anyio.lowlevel import checkpoint

    await checkpoint()
    limiter = limiter or to_thread.current_default_thread_limiter()
    future: Future[T] = loop.create_future()
    try:
        limiter.acquire_on_behalf_of_nowait(future)
    except WouldBlock:
        await limiter.acquire_on_behalf_of(future)
    try:
        try:
            worker = _idle.pop()
        except IndexError:
            worker = _Worker()
        worker.begin(partial(_finish, loop, future, partial(copy_context().run, work), worker))
        return await future
    finally:
        limiter.release_on_behalf_of(future)


class _Worker:
    """A thread that does one work after another; it is in `_idle` while it has none."""

    def __init__(self) -> None:
        self._given: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._run, name="blocking work", daemon=True).start()

    def begin(self, work: Callable[[], None]) -> None:
        """Have the thread call ``work``."""
        self._given.put(work)

    def _run(self) -> None:
        while True:
            try:
                self._given.get(timeout=_IDLE_SECONDS)()
            except Empty:
                try:
                    _idle.remove(self)
                except ValueError:  # a task has removed it, to give it work
                    continue
                return


_idle: list[_Worker] = []
# The threads of a process are not in its children.
os.register_at_fork(after_in_child=_idle.clear)


def _finish(loop: AbstractEventLoop, future: Future[T], work: Callable[[], T], worker: _Worker) -> None:
    """Do the work in the thread of ``worker``, and wake the task that waits for it."""
    outcome: Callable[[], None]
    try:
        outcome = partial(future.set_result, work())
    except StopIteration as error:  # which a future does not take
        outcome = partial(future.set_exception, RuntimeError(f"the work raised {error!r}"))
    except BaseException as error:  # noqa: BLE001 - raised in the task
        outcome = partial(future.set_exception, error)
    _idle.append(worker)
    with suppress(RuntimeError):  # the loop is closed: no task waits
        loop.call_soon_threadsafe(_settle, future, outcome)


def _settle(future: Future[T], outcome: Callable[[], None]) -> None:
    if not future.done():
        outcome()
