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
from pyskopeo.http.preconnection import Preconnection, ServerPreconnections
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


class TestOfOneServer:
    """Which of the connections to a server a request gets, and what becomes of the others."""

    @pytest.fixture(autouse=True)
    def _distant(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(module, "_AT_ONCE", 0.0)
        monkeypatch.setattr(module, "_UNUSED_SECONDS", 60.0)
        self.made: list[ServerPreconnections] = []
        yield
        for found in self.made:
            found.close()

    @pytest.fixture
    def asked(self) -> Iterator[Connection]:
        """A connection with a request, which has no response yet."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            yield Connection(ours)

    def of_server(self, *works: Callable[[], Connection], first: int = 0) -> ServerPreconnections:
        """Connections that are opened as ``works`` do in their order, ``first`` of them before the first request."""
        left, lock = list(works), threading.Lock()

        def work() -> Connection:
            with lock:
                found = left.pop(0)
            return found()

        made = ServerPreconnections(cast("Connector", Opener(work)), [HERE] * first, further=len(works) - first)
        self.made.append(made)
        return made

    def test_further_ones_are_closed_if_no_request_comes(
        self, asked: Connection, pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_UNUSED_SECONDS", 0.01)
        found = self.of_server(lambda: pair[0])
        found.request_sent(HERE, asked)
        assert is_closed(pair[1])
        assert found.take(HERE) is None

    def test_none_is_begun_after_the_end(self, asked: Connection) -> None:
        found = self.of_server(lambda: pytest.fail("connects"))
        found.close()
        found.request_sent(HERE, asked)
        assert found.take(HERE) is None

    def test_none_to_a_server_that_responds_at_once(
        self, pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_AT_ONCE", 15.0)
        found = self.of_server(lambda: pytest.fail("connects"))
        pair[1].sendall(b"HTTP/1.1 200 OK")
        found.request_sent(HERE, pair[0])
        assert found.take(HERE) is None

    def test_requests_to_other_servers_close_nothing(
        self, asked: Connection, pair: tuple[Connection, socket.socket]
    ) -> None:
        """Such as to the server of tokens."""
        found = self.of_server(lambda: pair[0])
        found.request_sent(HERE, asked)
        found.request_sent(Origin("https", "tokens.example", 443), asked)
        assert found.take(Origin("https", "tokens.example", 443)) is None
        assert found.take(HERE) is pair[0]

    def test_a_first_request_that_changes_something_leaves_the_first_one_open(
        self, asked: Connection, pair: tuple[Connection, socket.socket]
    ) -> None:
        """It is sent on a connection of its own; the next request gets this one."""
        found = self.of_server(lambda: pair[0], first=1)
        found.request_sent(HERE, asked)
        assert found.take(HERE) is pair[0]

    def test_the_error_of_the_first_one_is_raised(self) -> None:
        with pytest.raises(ConnectionFailed, match="refused"):
            self.of_server(refuse, first=1).take(HERE)

    def test_the_error_of_a_further_one_is_that_of_no_request(
        self, asked: Connection, pair: tuple[Connection, socket.socket]
    ) -> None:
        found = self.of_server(refuse, lambda: pair[0], refuse)
        found.request_sent(HERE, asked)
        assert found.take(HERE) is pair[0]
        assert found.take(HERE) is None

    def test_one_that_is_open_comes_before_one_that_is_waited_for(
        self, asked: Connection, pair: tuple[Connection, socket.socket]
    ) -> None:
        connecting = Connecting(pair[0])
        ours, theirs = socket.socketpair()
        with ours, theirs:
            second = Connection(ours)
            found = self.of_server(connecting, lambda: second)
            found.request_sent(HERE, asked)
            until = time.monotonic() + 15
            while not any(one.ended for one in found._further):
                assert time.monotonic() < until
                time.sleep(0.001)
            assert found.take(HERE) is second
            found.close()
            assert connecting.woken.wait(15)

    def test_one_that_hangs_is_given_up(
        self, asked: Connection, pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connecting = Connecting(pair[0])
        found = self.of_server(connecting)
        found.request_sent(HERE, asked)
        monkeypatch.setattr(module, "_UNUSED_SECONDS", 0.01)
        assert found.take(HERE) is None
        assert connecting.woken.wait(15)

    @pytest.mark.parametrize("first", [0, 1])
    def test_where_no_more_threads_can_be_started(
        self, first: int, asked: Connection, pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = threading.Thread.start
        started: list[threading.Thread] = []

        def limited(thread: threading.Thread) -> None:
            if len(started) == 1 - first:
                raise RuntimeError("can't start new thread")
            started.append(thread)
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", limited)
        found = self.of_server(lambda: pair[0], lambda: pair[0], first=first)
        found.request_sent(HERE, asked)
        assert found.take(HERE) is (None if first else pair[0])
        assert found.take(HERE) is None


def refuse() -> Connection:
    raise ConnectionFailed("refused")
