"""Bodies of requests, carried in pieces by a thread."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import anyio
import pytest

from pyskopeo.http.loop_bridge import Looped
from pyskopeo.http.request_body import Outgoing

pytestmark = pytest.mark.anyio


async def test_who_gives_up_a_whole_body_may_cut_the_connection() -> None:
    """Its end may not fit into the connection any more, and would then be waited for."""
    entered, released = threading.Event(), threading.Event()

    class Full:
        def sendall(self, data: bytes) -> None:
            entered.set()
            released.wait(5)

    body = Outgoing(Looped())
    thread = threading.Thread(target=body.carry, args=(SimpleNamespace(sock=Full()),), kwargs={"chunked": True})
    thread.start()
    try:
        with anyio.fail_after(5):
            while not body.carried:
                await anyio.sleep(0.01)
        body.finish()
        assert entered.wait(5)
        assert not body.carried
    finally:
        released.set()
        thread.join(5)
