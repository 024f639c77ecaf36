"""The delaying proxy delays, by what it says, and neither bounds nor changes what goes through it."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.delay import DelayProxy
from tests.support.images import build
from tests.support.listening import listening
from tests.support.outputs import connected
from tests.support.simulator import Simulator

IMAGE = build("oci")
DIGEST = IMAGE.layer_digests()[0]
PATH = f"/v2/test/image/blobs/{DIGEST}"


@contextmanager
def echo() -> Iterator[int]:
    """A server that says what it hears, until it hears no more."""

    def serve(connection: socket.socket) -> None:
        with connection:
            while piece := connection.recv(65536):
                connection.sendall(piece)

    # Several at once: each has a thread.
    with listening(lambda one: threading.Thread(target=serve, args=(one,), daemon=True).start()) as port:
        yield port


def said(client: socket.socket, data: bytes) -> None:
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)


def heard(client: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length and (piece := client.recv(1 << 20)):
        parts += piece
    return bytes(parts)


def test_a_connection_and_each_exchange_cost_a_round_trip() -> None:
    with echo() as port, DelayProxy("127.0.0.1", port, 0.1) as proxy:
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            first = time.monotonic() - started
            assert 0.198 <= first < 2
            for _ in range(3):
                client.sendall(b"y")
                assert client.recv(1) == b"y"
            assert 0.297 <= time.monotonic() - started - first < 3


def test_much_is_under_way_at_once_and_comes_whole() -> None:
    """A delay is no limit: 40 MB there and back take hardly longer than the round trips."""
    data = os.urandom(1 << 20) * 20
    with echo() as port, DelayProxy("127.0.0.1", port, 0.1) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"x")
            client.recv(1)
            started = time.monotonic()
            sender = threading.Thread(target=said, args=(client, data))
            sender.start()
            back = heard(client, len(data) + 1)
            sender.join()
            assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()
            # 64 KiB a round trip, as a proxy that waits for each piece has it, would be 32 s.
            assert time.monotonic() - started < 20


def test_bounded_when_told() -> None:
    with echo() as port, DelayProxy("127.0.0.1", port, 0.0, bytes_per_second=1_000_000) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            started = time.monotonic()
            client.sendall(b"x" * 300_000)
            assert len(heard(client, 300_000)) == 300_000
            assert 0.29 <= time.monotonic() - started < 10


def test_many_connections_do_not_wait_for_each_other() -> None:
    with echo() as port, DelayProxy("127.0.0.1", port, 0.1) as proxy:
        started = time.monotonic()
        clients = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(20)]
        for client in clients:
            client.sendall(b"x")
        for client in clients:
            with client:
                assert client.recv(1) == b"x"
        assert time.monotonic() - started < 3


def test_a_registry_behind_it() -> None:
    with Simulator(IMAGE) as registry, DelayProxy("127.0.0.1", registry.port, 0.02) as proxy:
        with connected(f"http://{proxy.host}") as connection:
            for _ in range(3):
                connection.request("GET", PATH)
                assert connection.getresponse().read() == IMAGE.blobs[DIGEST]
        assert registry.connections_seen == 1


def test_what_is_not_there_is_no_connection() -> None:
    with echo() as port:
        pass
    with DelayProxy("127.0.0.1", port, 0.01) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(5)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_client_that_goes_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with DelayProxy("127.0.0.1", listener.getsockname()[1], 0.02) as proxy:
            client = socket.create_connection(("127.0.0.1", proxy.port))
            client.sendall(b"x")
            server, _ = listener.accept()
            with server:
                server.settimeout(5)
                assert server.recv(1) == b"x"
                client.close()
                assert server.recv(1) == b""
