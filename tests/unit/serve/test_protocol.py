"""The limits of one connection of the server, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from pyskopeo.serve import application
from pyskopeo.serve import protocol as limits
from pyskopeo.serve.fast_protocol import FastProtocol
from pyskopeo.serve.protocol import BoundedProtocol

GET = b"GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n"


class Loop:
    """An event loop whose time stands still until `pass_time`; tasks run when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, asyncio.TimerHandle]] = []
        self.tasks: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Any, *arguments: Any) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.now + delay, callback, arguments, self)  # type: ignore[arg-type]
        self._timers.append((self.now + delay, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is skipped when its time comes."""

    def get_debug(self) -> bool:
        return False

    def create_task(self, work: Any, **_: object) -> Any:
        self.tasks.append(work)
        return self

    def add_done_callback(self, callback: object) -> None:
        """Nobody waits for a task."""

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while due := sorted(timer for timer in self._timers if timer[0] <= until and not timer[1].cancelled()):
            self.now, handle = due[0]
            self._timers.remove(due[0])
            handle._run()
        self.now = until

    def run_tasks(self) -> None:
        """Run requests to their end; nothing in them waits for anything."""
        while self.tasks:
            with pytest.raises(StopIteration):
                self.tasks.pop().send(None)


class Transport:
    """What a connection writes to; ``waiting`` bytes have not been read by the client."""

    def __init__(self) -> None:
        self.waiting = 0
        self.written = bytearray()
        self.aborted = self.closed = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def pause_reading(self) -> None:
        """There is nothing to pause."""

    resume_reading = pause_reading


class Client:
    """One connection, seen from the other end."""

    def __init__(self, server: uvicorn.Server, loop: Loop) -> None:
        self.loop, self.transport = loop, Transport()
        kind = server.config.http_protocol_class
        assert issubclass(kind, FastProtocol | BoundedProtocol)
        self.protocol = kind(server.config, server.server_state, {}, _loop=loop)
        self.protocol.connection_made(self.transport)  # type: ignore[arg-type]

    @property
    def is_open(self) -> bool:
        return not self.transport.is_closing()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture(params=[BoundedProtocol, FastProtocol])
def server(layout: Path, request: pytest.FixtureRequest) -> uvicorn.Server:
    config = uvicorn.Config(application(layout), http=request.param, log_config=None, lifespan="off", ws="none")
    config.load()
    return uvicorn.Server(config)


@pytest.mark.parametrize("sent", [b"", GET[:-2]])
def test_half_a_request_is_not_waited_for(sent: bytes, server: uvicorn.Server, loop: Loop) -> None:
    client = Client(server, loop)
    if sent:
        client.protocol.data_received(sent)
    loop.pass_time(limits.REQUEST_SECONDS - 1)
    assert client.is_open
    loop.pass_time(2)
    assert client.transport.aborted


def test_a_byte_from_time_to_time_prolongs_nothing(server: uvicorn.Server, loop: Loop) -> None:
    client = Client(server, loop)
    for byte in GET[:22]:
        client.protocol.data_received(bytes([byte]))
        loop.pass_time(1)
    assert client.transport.aborted


def test_a_request_that_takes_long_is_left_alone(server: uvicorn.Server, loop: Loop) -> None:
    client = Client(server, loop)
    client.protocol.data_received(GET)
    loop.pass_time(1000)
    assert client.is_open
    assert loop.tasks
    loop.tasks.pop().close()


def test_the_next_request_has_its_own_time(server: uvicorn.Server, loop: Loop) -> None:
    client = Client(server, loop)
    client.protocol.timeout_keep_alive = 1000  # uvicorn's own, for a connection on which nothing comes
    for _ in range(3):
        loop.pass_time(limits.REQUEST_SECONDS - 1)
        client.protocol.data_received(GET)
        loop.run_tasks()
        assert client.transport.written.endswith(b"\r\n\r\n{}")
    client.protocol.data_received(GET[:10])
    loop.pass_time(limits.REQUEST_SECONDS + 1)
    assert client.transport.aborted


@pytest.mark.parametrize(
    ("read", "open_after"), [(0, False), (limits.LEAST_READ - 1, False), (limits.LEAST_READ, True)]
)
@pytest.mark.parametrize("responded", [True, False])
def test_a_client_has_to_read(
    read: int, open_after: bool, responded: bool, server: uvicorn.Server, loop: Loop
) -> None:
    client = Client(server, loop)
    client.protocol.data_received(GET)
    client.transport.waiting = 1_000_000
    if responded:  # all of it is written, but not read
        client.protocol.timeout_keep_alive = 1000
        loop.run_tasks()
        loop.pass_time(limits.REQUEST_SECONDS)
    else:
        client.protocol.pause_writing()
    for _ in range(4):
        loop.pass_time(limits.READ_SECONDS - 1)
        client.transport.waiting -= read
        loop.pass_time(1)
    assert client.is_open is open_after
    for task in loop.tasks:
        task.close()


def test_one_that_reads_all_may_send_the_next_request(server: uvicorn.Server, loop: Loop) -> None:
    client = Client(server, loop)
    client.protocol.data_received(GET)
    client.protocol.pause_writing()
    client.protocol.resume_writing()
    client.protocol.timeout_keep_alive = 1000
    loop.run_tasks()
    loop.pass_time(limits.REQUEST_SECONDS - 1)
    assert client.is_open
    client.protocol.data_received(GET)
    loop.pass_time(1000)
    assert client.is_open
    loop.tasks.pop().close()


def test_the_one_that_waits_longest_makes_room(
    server: uvicorn.Server, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 3)
    busy = Client(server, loop)
    busy.protocol.data_received(GET)
    waiting = []
    for _ in range(4):
        loop.pass_time(1)
        waiting.append(Client(server, loop))
    assert [client.is_open for client in waiting] == [False, False, True, True]
    assert busy.is_open
    for client in waiting[2:]:
        client.protocol.data_received(GET)
    assert not Client(server, loop).is_open
    assert all(client.is_open for client in (busy, *waiting[2:]))
    for task in loop.tasks:
        task.close()


def test_a_connection_that_is_over_has_no_timer(server: uvicorn.Server, loop: Loop) -> None:
    client = Client(server, loop)
    client.protocol.connection_lost(None)
    loop.pass_time(1000)
    assert not client.transport.aborted


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [
        (b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 15_000 + b"\r\n\r\n", True),
        (b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 17_000 + b"\r\n\r\n", False),
        (b"GET /v2/ HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 3_500, False),
        (b"GET /v2/" + b"x" * 40_000, False),
        (b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX" + b"x" * 40_000, False),
        (b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 40_000, False),
        (b"PUT /v2/ HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50_000, True),
        (GET + GET, True),
        (b"PUT /v2/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 5_000, False),
        (b"PUT /v2/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", False),
        (b"PUT /v2/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", False),
    ],
)
@pytest.mark.parametrize("step", [1_000, 256 * 1024])
def test_heads_are_limited_and_unambiguous(layout: Path, loop: Loop, sent: bytes, accepted: bool, step: int) -> None:
    """However the bytes arrive; CVE-2025-43859 is about chunks that have another end."""
    config = uvicorn.Config(application(layout), http=FastProtocol, log_config=None, lifespan="off", ws="none")
    config.load()
    client = Client(uvicorn.Server(config), loop)
    for at in range(0, len(sent), step):
        if client.is_open:
            client.protocol.data_received(sent[at : at + step])
    assert client.is_open is accepted
    assert (b"HTTP/1.1 400" in client.transport.written) is not accepted
    for task in loop.tasks:
        task.close()
