"""Who may touch a connection, at every moment at which a request may be given up."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from pyskopeo.http.exchange import Exchange, shutdown_socket
from pyskopeo.http.response_body import ResponseBody
from pyskopeo.http.response_head import framing
from pyskopeo.streams.cancellation import Cancellation, Cancelled, on_cancel
from tests.support.lines import Line


def test_a_reader_is_woken(line: Line) -> None:
    cancellation, reading, read = Cancellation(), threading.Event(), list[bytes]()

    def work() -> None:
        with on_cancel(partial(shutdown_socket, line.near)):
            reading.set()
            read.append(line.near.recv(1))

    def run() -> None:
        with pytest.raises(Cancelled):
            cancellation.run(work)

    thread = threading.Thread(target=run)
    thread.start()
    assert reading.wait(2)
    cancellation.cancel()
    thread.join(2)
    assert read == [b""]


@pytest.mark.parametrize("content", [None, b"ok"])
def test_what_comes_too_late_is_cleared_away(content: bytes | None, line: Line) -> None:
    """But not a connection that is in the pool: it may be another request's by now."""
    line.far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    head = line.connection.read_head(2, 2)
    body = ResponseBody(line.connection, framing(head, "GET"), 2)
    Exchange(line.connection, head, body, None, content).discard()
    assert line.is_open == (content is not None)
