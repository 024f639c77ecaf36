"""An archive on its way into a daemon, while it is being made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import TooLarge
from ...streams.cancellation import run_in_thread
from .connection import Answered, Connection
from .messages import LIMIT, check_messages

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from .client import Client

_LOADING = "saving image to docker engine"
# What is smaller is kept until more has come, or until the end.
_SMALL = 64 * 1024


class Upload:
    """The body of one ``POST /images/load``, sent in chunks as it is written.

    The request is made when there is something to send. Without `finish` the daemon gets neither
    the end of the archive nor the end of the body, so it loads nothing. Written to by worker
    threads, one at a time.
    """

    def __init__(self, client: Client, ping: Callable[[], None]) -> None:
        self._client, self._ping = client, ping
        self._connection: Connection | None = None
        self._response: HTTPResponse | None = None
        self._kept = bytearray()

    def write(self, buffer: memoryview) -> None:
        """Raises `DaemonError`, `ConnectionFailed`."""
        if len(buffer) + len(self._kept) < _SMALL:
            # So the two empty blocks at the end of an archive are never sent before `finish`.
            self._kept += buffer
            return
        with self._client.errors(_LOADING):
            self._flush()
            if len(buffer) < _SMALL:
                self._kept += buffer
            else:
                self._send_chunk(buffer)

    async def finish(self) -> None:
        """Send the end, if anything was written, and wait until the image is loaded.

        Raises `DaemonError`, `ConnectionFailed`, `InvalidContent`.
        """
        if self._connection is not None or self._kept:
            await run_in_thread(self._finish)

    def close(self) -> None:
        """Leave the daemon, whether it has everything or not."""
        if self._connection is not None:
            self._connection.close()

    def _finish(self) -> None:
        with self._client.errors(_LOADING):
            self._flush()
            self._send(memoryview(b"0\r\n\r\n"))
            connection = self._connected()
            connection.idle = self._ping
            self._read_messages(connection)

    def _flush(self) -> None:
        if self._kept:
            content, self._kept = self._kept, bytearray()
            self._send_chunk(memoryview(content))

    def _send_chunk(self, content: memoryview) -> None:
        self._send(memoryview(b"%x\r\n" % len(content)))
        self._send(content)
        self._send(memoryview(b"\r\n"))

    def _send(self, content: memoryview) -> None:
        connection = self._connected()
        while content:
            try:
                content = content[connection.send_some(content) :]
            except Answered:
                # It says why it wants no more; or that all is well, and goes on listening.
                self._read_head(connection)
            except ConnectionError:
                self._read_messages(connection)
                raise

    def _read_head(self, connection: Connection) -> HTTPResponse:
        connection.listening = False
        if self._response is None:
            self._response = self._client.answer(connection, _LOADING, "POST")
        return self._response

    def _read_messages(self, connection: Connection) -> None:
        """To the end of the answer; raises `DaemonError` for an error in it, even if it breaks off after that."""
        from http.client import HTTPException

        response, body = self._read_head(connection), bytearray()
        left = response.length  # None for chunks
        try:
            while (left is None or len(body) < left) and (piece := response.read1(LIMIT)):
                body += piece
                if len(body) > LIMIT:
                    raise TooLarge(f"{_LOADING}: the daemon's answer is over the limit of {LIMIT} bytes", limit=LIMIT)
            if left is not None and len(body) < left:
                raise ConnectionResetError
        except (OSError, HTTPException):
            check_messages(bytes(body), _LOADING, whole=False)
            raise
        check_messages(bytes(body), _LOADING)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._client.connect()
            self._client.say(
                self._connection, "POST", "/images/load?quiet=1",
                "Content-Type: application/x-tar", "Transfer-Encoding: chunked",
            )  # fmt: skip
            self._connection.listening = True
        return self._connection
