"""A connection that is opened in advance: who gets it, who closes it, and what becomes of errors and cancellations."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from pyskopeo.errors import ConnectionFailed, InvalidInput
from pyskopeo.http import preconnection as module
from pyskopeo.http.connection import Connection
from pyskopeo.http.origin import Origin
from pyskopeo.http.preconnection import Preconnection
from pyskopeo.streams.cancellation import Cancelled, on_cancel, run_in_thread

if TYPE_CHECKING:
    from pyskopeo.http.connect import Connector

HERE = Origin("https", "a.example", 443)


class Opener:
    """A connector that opens connections as ``work`` does, and has TLS settings unless they are ``wrong``."""

    def __init__(self, work: Callable[[], Connection], wrong: Exception | None = None) -> None:
        self._work, self._wrong = work, wrong

    def context(self, origin: Origin) -> None:
        assert origin == HERE
        if self._wrong is not None:
            raise self._wrong

    def open(self, origin: Origin, *, connect_first: bool) -> Connection:
        assert (origin, connect_first) == (HERE, True)
        return self._work()


def preconnection(work: Callable[[], Connection], wrong: Exception | None = None) -> Preconnection:
    return Preconnection(cast("Connector", Opener(work, wrong)), HERE)


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours), theirs


def opened(pair: tuple[Connection, socket.socket]) -> Preconnection:
    """One that is open."""
    found = preconnection(lambda: pair[0])
    assert found._ended.wait(15)
    return found


def is_closed(theirs: socket.socket) -> bool:
    theirs.settimeout(15)
    return theirs.recv(1) == b""


def test_the_first_who_asks_gets_it(pair: tuple[Connection, socket.socket]) -> None:
    found = opened(pair)
    assert found.take() is pair[0]
    assert found.take() is None
    found.close()  # it is not its own any more
    assert pair[0].sock.fileno() >= 0


def test_what_nobody_takes_is_closed(pair: tuple[Connection, socket.socket]) -> None:
    found = opened(pair)
    found.close()
    assert is_closed(pair[1])
    assert found.take() is None


@pytest.mark.parametrize("said", [b"SSH-2.0", b""], ids=["it says something", "it is closed"])
def test_a_connection_on_which_the_server_has_acted_is_not_used(
    pair: tuple[Connection, socket.socket], said: bytes
) -> None:
    found = opened(pair)
    pair[1].sendall(said) if said else pair[1].shutdown(socket.SHUT_WR)
    assert found.take() is None
    assert pair[0].sock.fileno() == -1


def test_a_connection_that_is_old_is_not_used(
    pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(pair)
    monkeypatch.setattr(module, "IDLE_SECONDS", -1.0)
    assert found.take() is None
    assert pair[0].sock.fileno() == -1


@pytest.mark.parametrize("error", [ConnectionFailed("refused"), ZeroDivisionError("a mistake of ours")])
def test_the_error_is_raised_where_the_connection_is_wanted(error: Exception) -> None:
    def fail() -> Connection:
        raise error

    found = preconnection(fail)
    with pytest.raises(type(error)) as raised:
        found.take()
    assert raised.value is error
    assert found.take() is None  # the next one opens a connection itself


def test_what_is_wrong_with_tls_settings_is_said_before_what_is_wrong_with_the_network() -> None:
    def fail() -> Connection:
        raise ConnectionFailed("refused")

    with pytest.raises(InvalidInput, match="a certificate"):
        preconnection(fail, InvalidInput("a certificate")).take()


class Connecting:
    """Is connecting until it is told to go on, or its work is cancelled."""

    def __init__(self, connection: Connection, *, deaf: bool = False) -> None:
        self.connection, self._deaf = connection, deaf
        self.begun, self.goes_on, self.woken = threading.Event(), threading.Event(), threading.Event()

    def __call__(self) -> Connection:
        self.begun.set()
        if self._deaf:  # as while a name is being resolved
            assert self.goes_on.wait(30)
            return self.connection
        try:
            with on_cancel(self.goes_on.set):
                assert self.goes_on.wait(30)
        except Cancelled:
            self.woken.set()
            raise
        return self.connection


def test_whoever_asks_early_waits_for_it(pair: tuple[Connection, socket.socket]) -> None:
    connecting = Connecting(pair[0])
    found, taken = preconnection(connecting), []
    thread = threading.Thread(target=lambda: taken.append(found.take()))
    thread.start()
    while found._wanted:
        time.sleep(0.001)
    assert found.take() is None  # a second request does not wait for the same one
    connecting.goes_on.set()
    thread.join(15)
    assert taken == [pair[0]]


def test_closing_ends_what_is_connecting(pair: tuple[Connection, socket.socket]) -> None:
    connecting = Connecting(pair[0])
    found = preconnection(connecting)
    assert connecting.begun.wait(15)
    found.close()
    assert connecting.woken.wait(15)
    assert found.take() is None


def test_closing_waits_for_nothing_and_what_is_connected_later_is_closed(
    pair: tuple[Connection, socket.socket],
) -> None:
    connecting = Connecting(pair[0], deaf=True)
    found = preconnection(connecting)
    assert connecting.begun.wait(15)
    found.close()
    assert pair[0].sock.fileno() >= 0
    connecting.goes_on.set()
    assert is_closed(pair[1])


@pytest.mark.anyio
async def test_waiting_for_it_can_be_cancelled(pair: tuple[Connection, socket.socket]) -> None:
    connecting = Connecting(pair[0])
    found = preconnection(connecting)
    began = time.monotonic()
    with anyio.move_on_after(0.1) as limit:
        await run_in_thread(found.take, discard=lambda connection: None)
    assert limit.cancelled_caught
    assert time.monotonic() - began < 15
    assert await anyio.to_thread.run_sync(partial(connecting.woken.wait, 15))


def test_further_connections_are_closed_if_no_request_comes(
    pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 0.0)
    monkeypatch.setattr(module, "_UNUSED_SECONDS", 0.01)
    asked, theirs = socket.socketpair()
    with asked, theirs:
        connector = cast("Connector", Opener(lambda: pair[0]))
        preconnected = module.Preconnected(connector, (), further=1)
        preconnected.request_sent(HERE, Connection(asked))
        assert is_closed(pair[1])
        assert preconnected.take(HERE) is None
        preconnected.close()


def test_no_connection_is_begun_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 0.0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        preconnected = module.Preconnected(cast("Connector", Opener(lambda: pytest.fail("connects"))), (), further=1)
        preconnected.close()
        preconnected.request_sent(HERE, Connection(ours))
        assert preconnected.take(HERE) is None
