"""Connections to a Unix socket, and to an address that is not the URL's."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import ConnectionFailed, NetworkError
from pyskopeo.http.connect import Connector, UnixSocket, no_proxy
from pyskopeo.http.error_mapping import ErrorMapping
from pyskopeo.http.origin import Origin
from pyskopeo.streams.cancellation import run_in_thread

ORIGIN = Origin.of("http://elsewhere.invalid")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for the path of a socket."""
    with tempfile.TemporaryDirectory(prefix="u-") as name:
        yield Path(name)


def connector(target: Origin | UnixSocket, **settings: float) -> Connector:
    return Connector(lambda origin: pytest.fail("no TLS here"), no_proxy, target=target, **settings)  # type: ignore[arg-type]


class Listener:
    """A listening Unix socket, whose backlog can be full."""

    def __init__(self, path: Path, *, full: bool = False) -> None:
        self.target = UnixSocket(str(path))
        self.server, self.waiting = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen(0)
        if full:
            self.waiting.connect(str(path))

    def close(self) -> None:
        self.server.close()
        self.waiting.close()


@pytest.fixture
def listener(folder: Path) -> Iterator[Listener]:
    found = Listener(folder / "s")
    yield found
    found.close()


@pytest.fixture
def full(folder: Path) -> Iterator[Listener]:
    found = Listener(folder / "s", full=True)
    yield found
    found.close()


def test_every_origin_leads_there(listener: Listener) -> None:
    connection = connector(listener.target, stall_timeout=3.0).open(ORIGIN)
    server, _ = listener.server.accept()
    with server:
        assert connection.sock.family == socket.AF_UNIX
        connection.send(b"x")
        assert server.recv(100) == b"x"
        connection.close()


def test_another_origin_leads_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Origin("http", "127.0.0.1", server.getsockname()[1])
        connection = connector(target).open(ORIGIN)
        server.accept()[0].close()
        connection.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [("none", "no such file or directory"), ("x" * 200, "af_unix path too long"), (".", "connection refused")],
)
def test_nobody_is_there(name: str, said: str, folder: Path) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        connector(UnixSocket(str(folder / name))).open(ORIGIN)
    assert str(caught.value) == f"elsewhere.invalid: {said}"


def test_a_host_that_no_connection_can_be_made_to() -> None:
    with pytest.raises(ConnectionFailed, match="a b: no such host"):
        connector(Origin("http", "a b", 80)).open(ORIGIN)


def test_the_errors_are_those_of_the_connector(folder: Path) -> None:
    class Errors(ErrorMapping):
        def connect_error(self, error: Exception, origin: Origin, proxy: str | None = None) -> NetworkError:
            return NetworkError(f"{type(error).__name__} at {origin}")

    missing = Connector(
        lambda origin: pytest.fail("no TLS here"), no_proxy, target=UnixSocket(f"{folder}/none"), errors=Errors()
    )
    with pytest.raises(NetworkError, match=r"^FileNotFoundError at http://elsewhere.invalid$"):
        missing.open(ORIGIN)


def test_a_full_backlog_is_waited_for(full: Listener) -> None:
    def accept() -> None:
        time.sleep(0.2)
        full.server.accept()[0].close()

    thread = threading.Thread(target=accept)
    thread.start()
    connection = connector(full.target, connect_timeout=5.0).open(ORIGIN)
    thread.join(5)
    connection.close()


def test_a_full_backlog_is_not_waited_for_any_longer(full: Listener) -> None:
    with pytest.raises(ConnectionFailed, match="connecting timed out"):
        connector(full.target, connect_timeout=0.1).open(ORIGIN)


@pytest.mark.anyio
async def test_a_wait_for_a_full_backlog_can_be_cancelled(full: Listener) -> None:
    begun = time.monotonic()
    with anyio.move_on_after(0.1) as scope:
        await run_in_thread(partial(connector(full.target).open, ORIGIN))
    assert scope.cancelled_caught
    assert time.monotonic() - begun < 10
