"""What a blob's download has reached, and what to do after each failure: no I/O.

A blob may be had from several endpoints, in order: mirrors, then the registry. Three kinds of failure are told
apart: a request that is refused or gets no answer, a body that breaks off, and content that is wrong.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Bytes. Progress of this much makes the next broken body the first one again.
PROGRESS = 64 * 1024


class Step(Enum):
    """What to do after a failure."""

    RETRY = "ask the same endpoint again, after a pause, for what is missing"
    NEXT = "ask the next endpoint for what is missing"
    RESTART = "ask for the whole blob, at the endpoint that the state names now"
    RAISE = "give up"


class DownloadState:
    """Where one download stands.

    ``endpoint`` is the index of the endpoint to ask, ``offset`` the number of bytes that were handed on.
    ``failed_requests`` counts since the last answer, ``broken_bodies`` since the last 64 KiB; both at
    this endpoint. ``served`` are the endpoints that sent some of the bytes before ``offset``.
    """

    def __init__(self, retries: Sequence[int], endpoint: int = 0, offset: int = 0) -> None:
        """``retries`` is the number of retries after transient failures, for each endpoint."""
        self._retries = tuple(retries)
        self.endpoint, self.offset = endpoint, offset
        self.failed_requests = self.broken_bodies = 0
        self.served: set[int] = set()
        self._progress_from = offset

    def move_to(self, endpoint: int) -> None:
        """Ask ``endpoint`` from now on, unless a later one is asked already."""
        if endpoint > self.endpoint:
            self.endpoint = endpoint
            self.failed_requests = self.broken_bodies = 0

    def answered(self) -> None:
        """The endpoint sends bytes from ``offset`` on."""
        self.served.add(self.endpoint)
        self.failed_requests = 0

    def received(self, count: int) -> None:
        """``count`` more bytes were handed on."""
        self.offset += count

    def request_failed(self, *, temporary: bool) -> Step:
        """After an error instead of an answer; ``temporary``: the same request may succeed later."""
        if temporary and self.failed_requests < self._limit:
            self.failed_requests += 1
            return Step.RETRY
        return self.answer_refused()

    def answer_refused(self) -> Step:
        """After an answer that is not about the bytes asked for: another endpoint may do better."""
        return self._go_to(self.endpoint + 1, Step.NEXT)

    def body_broke(self, *, temporary: bool) -> Step:
        """After a body that ended early or stalled."""
        if self.offset >= self._progress_from + PROGRESS:
            self.broken_bodies = 0
        self._progress_from = self.offset
        if temporary and self.broken_bodies < self._limit:
            self.broken_bodies += 1
            return Step.RETRY
        return self._go_to(self.endpoint + 1, Step.NEXT)

    def content_wrong(self) -> Step:
        """After all or some of the bytes turned out not to be the blob's.

        Where they came from several endpoints any may be at fault, so the last of these may send them
        all; otherwise the next endpoint.
        """
        if not self.served:
            return Step.RAISE
        step = self._go_to(max(self.served) + (len(self.served) == 1), Step.RESTART)
        if step is Step.RESTART:
            self.offset = self._progress_from = 0
            self.failed_requests = self.broken_bodies = 0
            self.served.clear()
        return step

    @property
    def _limit(self) -> int:
        return self._retries[self.endpoint]

    def _go_to(self, endpoint: int, step: Step) -> Step:
        if endpoint >= len(self._retries):
            return Step.RAISE
        self.move_to(endpoint)
        return step
