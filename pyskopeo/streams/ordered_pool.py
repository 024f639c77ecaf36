"""Work spread over the processors, with its results in order and little of it held at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .cancellation import Cancelled, on_cancel
from .concurrency import processors

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Job: TypeAlias = Callable[[], bytes]
"""Runs in any thread, and lets go of the interpreter's lock while it is at it."""


class Pool:
    """Threads, one a processor, that are there while somebody uses them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._executor: Executor | None = None
        self._limit = 1
        self._users = self._working = 0

    def join(self) -> None:
        """One more user; each must `leave`."""
        with self._changed:
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                count = processors()
                self._executor = ThreadPoolExecutor(count, "pyskopeo")
                # One more than there are threads, so that none has to wait for its next job.
                self._limit = count + 1
            self._users += 1

    def leave(self) -> None:
        """One user less; the threads end with the last one."""
        with self._changed:
            self._users -= 1
            if not self._users and self._executor is not None:
                self._executor.shutdown(wait=False)
                self._executor = None

    def share(self, at_once: int) -> int:
        """How many jobs one user may have that are not taken yet, where ``at_once`` are enough for all."""
        with self._changed:
            return max(1, min(at_once, self._limit) // max(1, self._users))

    def submit(self, job: Job, at_once: int) -> Future[bytes]:
        """Have ``job`` done; waits until fewer than ``at_once`` are, whoever's they are."""
        with self._changed:
            # Jobs end by themselves, so this does too, whatever their users wait for.
            self._changed.wait_for(lambda: self._working < min(at_once, self._limit))
            if self._executor is None:
                raise Cancelled
            future = self._executor.submit(job)
            self._working += 1
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[bytes]) -> None:
        with self._changed:
            self._working -= 1
            self._changed.notify()


class InOrder:
    """Jobs done by a pool's threads; ``take`` gets their results in the order they were added.

    `add` and `finish` are called by one thread, and ``take`` is called in it. Uses the pool from the
    first `add` until `finish`, `close`, or an error. Once that thread's work is cancelled, both raise
    `Cancelled` as soon as the jobs that have begun are done.
    """

    def __init__(self, pool: Pool, at_once: int, take: Callable[[bytes], None]) -> None:
        """``at_once`` jobs are in memory at most, over all that use the pool, before their results are."""
        self._pool, self._at_once, self._take = pool, at_once, take
        self._lock = threading.Lock()
        self._waiting: deque[Future[bytes]] = deque()
        self._joined = self._over = False

    def add(self, job: Job) -> None:
        """One more; takes earlier results that are there, and waits for some when too many are not.

        Raises what jobs and ``take`` raise; it is over then.
        """
        try:
            with on_cancel(self.close):
                self._join()
                share = self._pool.share(self._at_once)
                while self._waiting and (len(self._waiting) >= share or self._waiting[0].done()):
                    self._take_first()
                future = self._pool.submit(job, self._at_once)
                with self._lock:
                    self._waiting.append(future)
                    if self._over:
                        future.cancel()
        except BaseException:
            self.close()
            raise

    def finish(self) -> None:
        """Take all results that are left; raises what `add` does."""
        try:
            with on_cancel(self.close):
                while self._waiting:
                    self._take_first()
        finally:
            self.close()

    def close(self) -> None:
        """Cancel the jobs that have not begun; harmless when all is done. May be called from any thread."""
        with self._lock:
            self._over = True
            for future in self._waiting:
                future.cancel()
            joined, self._joined = self._joined, False
        if joined:
            self._pool.leave()

    def _join(self) -> None:
        with self._lock:
            if self._over:
                raise Cancelled
            if not self._joined:
                self._pool.join()
                self._joined = True

    def _take_first(self) -> None:
        from concurrent.futures import CancelledError

        try:
            result = self._waiting[0].result()
        except CancelledError:
            raise Cancelled from None
        with self._lock:
            self._waiting.popleft()
        self._take(result)
