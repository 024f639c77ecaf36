"""The state of a blob's download, which decides what to do after each failure. No I/O.

A blob can be downloaded from several endpoints, in this order: mirrors, then the registry. There are three kinds of
failures: a request that is refused or gets no response, a body that ends early, and wrong content.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Bytes. After this much progress the number of broken bodies is counted from 0 again.
PROGRESS = 64 * 1024


class Step(Enum):
    """What to do after a failure of a download."""

    RETRY = "request the missing bytes from the same endpoint, after a wait"
    NEXT = "request the missing bytes from the next endpoint"
    RESTART = "request the whole blob from the current endpoint of the state"
    RAISE = "raise the error"


class DownloadState:
    """The progress and the failures of one download.

    ``endpoint`` is the index of the current endpoint, ``offset`` the number of bytes that were received.
    ``failed_requests`` counts since the last response, ``broken_bodies`` since the last 64 KiB; both at this endpoint.
    ``served`` are the endpoints that sent some of the bytes before ``offset``.
    """

    def __init__(self, retries: Sequence[int], endpoint: int = 0, offset: int = 0) -> None:
        """``retries`` is the number of retries after transient failures, for each endpoint."""
        self._retries = tuple(retries)
        self.endpoint, self.offset = endpoint, offset
        self.failed_requests = self.broken_bodies = 0
        self.served: set[int] = set()
        self._progress_from = offset

    def move_to(self, endpoint: int) -> None:
        """Use ``endpoint`` from now on, unless the current one is a later one."""
        if endpoint > self.endpoint:
            self.endpoint = endpoint
            self.failed_requests = self.broken_bodies = 0

    def response_started(self) -> None:
        """Record that the endpoint has sent a response with the bytes from ``offset`` on."""
        self.served.add(self.endpoint)
        self.failed_requests = 0

    def received(self, count: int) -> None:
        """Record that ``count`` more bytes were received."""
        self.offset += count

    def request_failed(self, *, temporary: bool) -> Step:
        """Return what to do after a failed request; ``temporary`` says that a retry may succeed."""
        if temporary and self.failed_requests < self._limit:
            self.failed_requests += 1
            return Step.RETRY
        return self.response_rejected()

    def response_rejected(self) -> Step:
        """Return what to do after a response that has other bytes than those requested."""
        return self._go_to(self.endpoint + 1, Step.NEXT)

    def body_failed(self, *, temporary: bool) -> Step:
        """Return what to do after a body that ended early or stalled; ``temporary`` says that a retry may succeed."""
        if self.offset >= self._progress_from + PROGRESS:
            self.broken_bodies = 0
        self._progress_from = self.offset
        if temporary and self.broken_bodies < self._limit:
            self.broken_bodies += 1
            return Step.RETRY
        return self._go_to(self.endpoint + 1, Step.NEXT)

    def content_mismatched(self) -> Step:
        """Return what to do after all or some of the bytes turned out not to be the blob's.

        If they came from several endpoints, any of these may have sent the wrong ones, so the last of them is to send
        the whole blob. Otherwise the next endpoint is.
        """
        if not self.served:
            return Step.RAISE
        step = self._go_to(max(self.served) + (len(self.served) == 1), Step.RESTART)
        if step is Step.RESTART:
            self._begin()
        return step

    def _begin(self) -> None:
        self.offset = self._progress_from = 0
        self.failed_requests = self.broken_bodies = 0
        self.served.clear()

    def skip_to(self, offset: int) -> None:
        """Go on at ``offset``: the bytes before it are there, and no endpoint has sent them to this download."""
        self._progress_from += offset - self.offset
        self.offset = offset

    def start_over(self) -> None:
        """Go on at byte 0 of the same endpoint, since bytes that other downloads brought are suspected first."""
        self._begin()

    @property
    def _limit(self) -> int:
        return self._retries[self.endpoint]

    def _go_to(self, endpoint: int, step: Step) -> Step:
        if endpoint >= len(self._retries):
            return Step.RAISE
        self.move_to(endpoint)
        return step
