"""Read and send bodies within rate limits. Blocking; runs in worker threads."""

from __future__ import annotations

from .connection import Connection
from .rate_limit import DOCUMENT_SIZE, HostLimits, Pace
from .response_body import ResponseBody
from .response_head import Framing
from .time_limits import DocumentDeadline


class LimitedBody(ResponseBody):
    """A `ResponseBody` that is read within rate limits.

    Waiting for them is not a stall: the timeout of the socket runs only while it is read.
    """

    def __init__(
        self, connection: Connection, framing: Framing, stall_timeout: float | None, limits: HostLimits
    ) -> None:
        super().__init__(connection, framing, stall_timeout)
        self._pace = Pace(limits)

    def readinto(self, buffer: memoryview) -> int:
        """Read into ``buffer`` and return the number of bytes, those of one turn at most; 0 at the end."""
        if self.ended:
            return 0
        wanted = len(buffer) if self.length is None else min(len(buffer), self.length)
        count = super().readinto(buffer[: self._pace.wait(wanted)])
        self._pace.moved(count)
        if self.ended:
            self._pace.end()
        return count

    def is_document(self) -> None:
        self._pace.document = True

    def _receive_piece(self, size: int) -> memoryview:
        wanted = size if self.length is None else min(size, self.length)
        piece = super()._receive_piece(self._pace.wait(wanted))
        self._pace.moved(len(piece))
        if self.ended:
            self._pace.end()
        return piece

    def read_all(self, deadline: DocumentDeadline) -> bytes:
        content = super().read_all(deadline)
        self._pace.charge(len(content))
        return content


def send_limited(connection: Connection, head: bytes, body: bytes, limits: HostLimits) -> None:
    """Send a request whose body is in memory, within rate limits.

    Raises what `Connection.send` does, and `Cancelled`.
    """
    pace = Pace(limits)
    if len(body) <= DOCUMENT_SIZE:
        if body:
            pace.charge(len(body))
        connection.send(head + body)
        return
    connection.send(head)
    rest = memoryview(body)
    while rest:
        count = pace.wait(len(rest))
        connection.send(rest[:count])
        pace.moved(count)
        rest = rest[count:]
