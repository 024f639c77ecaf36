"""What a request's body does when the server responds before its end, and when it is broken off."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from pyskopeo.errors import ConnectionFailed, Stalled
from pyskopeo.http import streamed_body
from pyskopeo.http.connection import Connection
from pyskopeo.http.streamed_body import StreamedBody

PIECE = memoryview(b"x" * 1000)
LARGE = memoryview(bytes(8 * 1024 * 1024))  # more than fits into a socket
OK = b"HTTP/1.1 200 OK\r\n\r\n"
REFUSED = b"HTTP/1.1 403 No\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


class Line:
    """A body under way on a connection whose other end is ours; ``raised`` is what ended the transport's thread."""

    def __init__(self, body: StreamedBody, *, timeout: float = 10.0) -> None:
        self.body = body
        self.near, self.far = socket.socketpair()
        self.near.settimeout(timeout)
        self.far.settimeout(10)
        self.connection = Connection(self.near)
        self.raised: list[BaseException] = []
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        try:
            self.body.transmit(self.connection, chunked=True)
        except Exception as error:  # noqa: BLE001 - for the test to look at
            self.raised.append(error)
            self.connection.close()

    def over(self) -> None:
        """Wait until an answer can be read, or the connection is closed."""
        self._thread.join(10)
        assert not self._thread.is_alive()

    def status(self) -> int:
        """The status of the answer, of which a part may have been received while the body was sent."""
        return self.connection.read_head(10, 10).status

    def sent(self) -> bytes:
        """Everything, once there is no more."""
        self.near.close()
        pieces = bytearray()
        while piece := self.far.recv(1 << 20):
            pieces += piece
        return bytes(pieces)

    def close(self) -> None:
        self.body.stop()
        self.over()
        self.near.close()
        self.far.close()


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    found: list[Line] = []
    yield found
    for line in found:
        line.close()


def test_a_body_that_is_stopped_is_ended(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody()))
    line.body.write(PIECE)
    line.body.stop()
    line.over()
    assert line.raised == []
    assert line.sent() == b"3e8\r\n" + PIECE + b"\r\n0\r\n\r\n"


def test_a_body_that_is_stopped_within_a_large_write_is_ended(lines: list[Line]) -> None:
    """Between two chunks of it, as soon as the server has read on."""
    lines.append(line := Line(StreamedBody(end_seconds=20.0)))
    received, writing = bytearray(), threading.Thread(target=_write, args=(line.body, LARGE))
    writing.start()
    received += line.far.recv(1000)
    line.body.stop()
    while not received.endswith(b"\r\n0\r\n\r\n"):
        received += line.far.recv(1 << 20)
    writing.join(10)
    line.over()
    assert line.raised == []
    assert len(received) < len(LARGE)
    sizes = [int(size, 16) for size in re.findall(rb"(?:^|\r\n)([0-9a-f]+)\r\n", bytes(received))]
    assert sizes[-1] == 0
    assert max(sizes) <= 512 * 1024


def _write(body: StreamedBody, buffer: memoryview) -> None:
    with suppress(ConnectionFailed):
        body.write(buffer)


def test_or_not(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody(end_if_stopped=False)))
    line.body.write(PIECE)
    line.body.stop()
    line.over()
    (error,) = line.raised
    assert isinstance(error, ConnectionFailed)
    assert line.sent() == b"3e8\r\n" + PIECE + b"\r\n"
    with pytest.raises(ConnectionFailed):
        line.body.write(PIECE)


@pytest.mark.parametrize("end_if_stopped", [True, False])
def test_a_thread_that_writes_is_woken(end_if_stopped: bool, lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody(end_if_stopped=end_if_stopped)))
    timer = threading.Timer(0.2, line.body.stop)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(ConnectionFailed):
        line.body.write(LARGE)
    assert time.monotonic() - begun < 15
    line.over()
    assert not line.sent().endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("continue_on_success", [True, False])
def test_a_refusal_ends_a_body(continue_on_success: bool, lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody(continue_on_success=continue_on_success)))
    line.body.write(PIECE)
    line.far.sendall(REFUSED)
    with pytest.raises(ConnectionFailed):
        line.body.write(PIECE)
    line.over()
    assert line.raised == []
    assert line.status() == 403


def test_a_refusal_is_seen_while_the_server_reads_nothing(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody()))
    timer = threading.Timer(0.2, line.far.sendall, (REFUSED,))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(ConnectionFailed):
        line.body.write(LARGE)
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("pieces", [(OK,), (OK[:5], OK[5:]), (b"HTTP/1.1 204 No Content\r\n\r\n",)])
def test_a_body_goes_on_after_a_success(pieces: tuple[bytes, ...], lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody(continue_on_success=True)))
    for piece in pieces:
        line.far.sendall(piece)
        line.body.write(PIECE)
    line.body.write(PIECE)
    line.body.finish()
    line.over()
    assert line.body.complete
    assert line.status() in (200, 204)
    assert line.sent() == (b"3e8\r\n" + PIECE + b"\r\n") * (len(pieces) + 1) + b"0\r\n\r\n"


@pytest.mark.parametrize("pieces", [(INTERIM,), (INTERIM[:7], INTERIM[7:20], INTERIM[20:]), (INTERIM * 3,)])
@pytest.mark.parametrize("continue_on_success", [True, False])
def test_a_body_goes_on_after_an_interim_answer(
    continue_on_success: bool, pieces: tuple[bytes, ...], lines: list[Line]
) -> None:
    lines.append(line := Line(StreamedBody(continue_on_success=continue_on_success)))
    for piece in (*pieces, b""):
        line.far.sendall(piece)
        line.body.write(PIECE)
    line.body.finish()
    line.over()
    line.far.sendall(REFUSED)
    assert line.status() == 403
    assert line.sent() == (b"3e8\r\n" + PIECE + b"\r\n") * (len(pieces) + 1) + b"0\r\n\r\n"


def test_a_refusal_after_an_interim_answer_ends_a_body(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody()))
    line.body.write(PIECE)
    line.far.sendall(INTERIM + REFUSED)
    with pytest.raises(ConnectionFailed):
        line.body.write(PIECE)
    line.over()
    assert line.status() == 403


def test_interim_answers_without_end_end_a_body(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody()))
    line.far.sendall(INTERIM * 100)
    with pytest.raises(ConnectionFailed, match="more than 50 interim answers") as caught:
        line.body.write(PIECE)
    assert not caught.value.temporary
    line.over()


def test_a_success_may_end_a_body(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody()))
    line.far.sendall(OK)
    with pytest.raises(ConnectionFailed):
        line.body.write(PIECE)


def test_a_server_that_leaves(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody(continue_on_success=True)))
    line.far.close()
    with pytest.raises(ConnectionFailed):
        line.body.write(PIECE)
    line.over()
    assert not line.body.complete


def test_a_server_that_leaves_at_the_end_may_have_said_why(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody()))
    line.body.write(PIECE)
    line.far.sendall(REFUSED)
    line.far.close()
    line.body.finish()
    line.over()
    assert line.raised == []
    assert not line.body.complete
    assert line.status() == 403


def test_a_server_that_reads_nothing(lines: list[Line]) -> None:
    lines.append(line := Line(StreamedBody(), timeout=0.2))
    with pytest.raises(Stalled):
        line.body.write(LARGE)
    line.over()
    assert line.raised == [line.body.failure]


def test_a_line_that_is_slow_has_not_stalled(lines: list[Line], monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket is not writable for several timeouts, in which the server receives what the system holds."""
    body = StreamedBody()
    line = Line(body, timeout=0.05)
    lines.append(line)
    asked: list[int] = []

    def receive() -> None:
        received = 0
        while received < len(LARGE):
            received += len(line.far.recv(1 << 20))

    def queued(sock: socket.socket) -> int:
        asked.append(1)
        if len(asked) == 20:
            threading.Thread(target=receive).start()
        return 10_000_000 - 1000 * len(asked)

    monkeypatch.setattr(streamed_body, "_queued_bytes", queued)
    body.write(LARGE)
    assert len(asked) >= 20


def test_a_server_that_takes_a_byte_now_and_then_has_stalled(
    lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = StreamedBody()
    line = Line(body, timeout=0.5)
    lines.append(line)
    left = iter(range(1_000_000, 0, -1))
    monkeypatch.setattr(streamed_body, "_queued_bytes", lambda sock: next(left))
    with pytest.raises(Stalled):
        body.write(LARGE)


def test_what_a_socket_holds() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert streamed_body._queued_bytes(near) == 0
        near.settimeout(0.1)
        with pytest.raises(TimeoutError):
            near.sendall(LARGE)
        assert streamed_body._queued_bytes(near) > 10_000
    assert streamed_body._queued_bytes(near) == 0  # it is closed
