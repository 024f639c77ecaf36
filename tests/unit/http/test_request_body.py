"""Bodies of requests, carried in pieces by a thread."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pyskopeo.errors import ConnectionFailed
from pyskopeo.http.request_body import RequestBody
from pyskopeo.streams.cancellation import Cancellation, Cancelled, on_cancel

if TYPE_CHECKING:
    from pyskopeo.http.connection import Connection

pytestmark = pytest.mark.anyio


async def test_who_gives_up_a_whole_body_may_cut_the_connection() -> None:
    """Its end may not fit into the connection any more, and would then be waited for."""
    entered, cut = threading.Event(), threading.Event()

    class Full:
        def sendall(self, data: bytes) -> None:
            entered.set()
            assert cut.wait(5)

    body, cancellation, ended = RequestBody(), Cancellation(), list[type[BaseException]]()

    def carry() -> None:
        with on_cancel(cut.set):
            body.transmit(cast("Connection", SimpleNamespace(sock=Full(), limits=None)), chunked=True)

    def run() -> None:
        try:
            cancellation.run(carry)
        except BaseException as error:  # noqa: BLE001 - shown to the test
            ended.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        body.finish()
        assert entered.wait(5)
        cancellation.cancel()
    finally:
        cut_by_it = cut.is_set()
        cut.set()
        thread.join(5)
    assert cut_by_it
    assert ended == [Cancelled]


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_cancellation_breaks_off_a_body_in_order(chunked: bool) -> None:
    """The connection is not cut under the hands of the thread that ends the body."""
    near, far = socket.socketpair()
    body, cancellation, cut = RequestBody(), Cancellation(), threading.Event()

    def carry() -> None:
        with on_cancel(cut.set):
            body.transmit(cast("Connection", SimpleNamespace(sock=near, limits=None)), chunked=chunked)

    def run() -> None:
        with pytest.raises((Cancelled, ConnectionFailed)):
            cancellation.run(carry)

    thread = threading.Thread(target=run)
    with near, far:
        thread.start()
        body.write(memoryview(b"piece"))
        cancellation.cancel()
        with pytest.raises(ConnectionFailed):
            body.write(memoryview(b"more"))
        thread.join(5)
        expected = b"5\r\npiece\r\n0\r\n\r\n" if chunked else b"piece"
        assert far.recv(100) == expected
    assert not thread.is_alive()
    assert not cut.is_set()
