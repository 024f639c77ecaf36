"""A thread pool for CPU-bound jobs that delivers results in submission order and bounds how many are in memory."""

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
"""Runs in any thread; releases the interpreter's lock while it computes."""


class Pool:
    """One worker thread per processor, shared by several users; the threads exist only while there is a user."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._executor: Executor | None = None
        self._limit = 1
        self._users = self._working = 0

    def add_user(self) -> None:
        """Register a user, and start the threads for the first one; each user must call `remove_user`."""
        with self._changed:
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                count = processors()
                self._executor = ThreadPoolExecutor(count, "pyskopeo")
                # One more than there are threads, so that no thread waits for its next job.
                self._limit = count + 1
            self._users += 1

    def remove_user(self) -> None:
        """Unregister a user; the threads end with the last one."""
        with self._changed:
            self._users -= 1
            if not self._users and self._executor is not None:
                self._executor.shutdown(wait=False)
                self._executor = None
            self._changed.notify_all()

    def share(self, max_jobs: int) -> int:
        """Return how many jobs one user may have whose results are not consumed yet, at least 1.

        ``max_jobs``, or fewer if there are fewer threads, are divided among all users.
        """
        with self._changed:
            return max(1, min(max_jobs, self._limit) // max(1, self._users))

    def submit(self, job: Job, max_jobs: int, is_closed: Callable[[], bool]) -> Future[bytes]:
        """Schedule ``job``, after waiting until fewer than ``max_jobs`` of all users are scheduled or running.

        ``is_closed`` tells whether the user has been removed. Raises `Cancelled` if it has, also while this waits.
        """
        with self._changed:
            # A job never waits for its user, so this ends even while users are blocked.
            self._changed.wait_for(lambda: is_closed() or self._working < min(max_jobs, self._limit))
            if is_closed() or self._executor is None:
                raise Cancelled
            future = self._executor.submit(job)
            self._working += 1
        future.add_done_callback(self._job_ended)
        return future

    def _job_ended(self, future: Future[bytes]) -> None:
        with self._changed:
            self._working -= 1
            self._changed.notify_all()


class OrderedJobs:
    """Runs jobs in the threads of a `Pool` and passes their results to ``consume`` in the order of the `add` calls.

    `add` and `finish` are called by one thread, and ``consume`` is called in that thread. The pool is used from the
    first `add` until `finish`, `close` or an error. When that thread's work is cancelled, `add` and `finish` raise
    `Cancelled` at once; the results of jobs that have begun are dropped.
    """

    def __init__(self, pool: Pool, max_jobs: int, consume: Callable[[bytes], None]) -> None:
        """At most ``max_jobs`` jobs of all users of ``pool`` are scheduled or running."""
        self._pool, self._max_jobs, self._consume = pool, max_jobs, consume
        # Notified when a job has ended, and when this is closed.
        self._changed = threading.Condition()
        self._pending: deque[Future[bytes]] = deque()
        self._in_pool = self._closed = False

    def add(self, job: Job) -> None:
        """Schedule a job. Consumes the results that are ready, and waits for one if too many jobs are pending.

        Raises whatever jobs and ``consume`` raise, and is closed after that.
        """
        try:
            with on_cancel(self.close):
                self._enter_pool()
                share = self._pool.share(self._max_jobs)
                while self._pending and (len(self._pending) >= share or self._pending[0].done()):
                    self._consume_first()
                future = self._pool.submit(job, self._max_jobs, lambda: self._closed)
                future.add_done_callback(self._job_ended)
                with self._changed:
                    self._pending.append(future)
                    if self._closed:
                        future.cancel()
        except BaseException:
            self.close()
            raise

    def finish(self) -> None:
        """Wait for all jobs and consume their results; raises what `add` raises."""
        try:
            with on_cancel(self.close):
                while self._pending:
                    self._consume_first()
        finally:
            self.close()

    def close(self) -> None:
        """Cancel the jobs that have not begun. Does nothing after `finish`; may be called from any thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            for future in self._pending:
                future.cancel()
            in_pool, self._in_pool = self._in_pool, False
        if in_pool:
            self._pool.remove_user()

    def _enter_pool(self) -> None:
        with self._changed:
            if self._closed:
                raise Cancelled
            if not self._in_pool:
                self._pool.add_user()
                self._in_pool = True

    def _job_ended(self, _: Future[bytes]) -> None:
        with self._changed:
            self._changed.notify_all()

    def _consume_first(self) -> None:
        future = self._pending[0]
        with self._changed:
            self._changed.wait_for(lambda: self._closed or future.done())
            if self._closed:
                raise Cancelled
            self._pending.popleft()
        self._consume(future.result())
