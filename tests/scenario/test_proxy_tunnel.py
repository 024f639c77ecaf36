"""Tunnels through http:// proxies: what a proxy is asked, and what it may answer."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

import pytest

from pyskopeo.errors import ConnectionFailed
from pyskopeo.http.connect import Connector
from pyskopeo.http.origin import Origin
from tests.support.listening import listening


def through_a_proxy(answer: bytes, *, endless: bool = False) -> tuple[str, bytes]:
    """The error of a tunnel through a proxy that answers this, and what the proxy was sent."""
    received = list[bytes]()

    def serve(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            received.append(sock.recv(10_000))
            sock.sendall(answer)
            while endless:
                sock.sendall(answer)

    with listening(serve) as port:
        connector = Connector(
            lambda _: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            lambda _: f"http://user:p%40ss@127.0.0.1:{port}",
            connect_timeout=5.0,
        )
        with pytest.raises(ConnectionFailed) as caught:
            connector.open(Origin.of("https://registry.example:5000"))
    assert str(caught.value).startswith(f"registry.example:5000 (through proxy http://127.0.0.1:{port}): ")
    return str(caught.value).partition("): ")[2], received[0]


def test_a_tunnel_is_asked_for() -> None:
    said, request = through_a_proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nsorry")
    assert said == "tunnel connection failed: 407 proxy authentication required"
    assert request == (
        b"CONNECT registry.example:5000 HTTP/1.1\r\nHost: registry.example:5000\r\n"
        b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n"
    )


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n" * 100, b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000])
def test_the_answer_of_a_proxy_is_bounded(piece: bytes) -> None:
    said, _ = through_a_proxy(piece, endless=True)
    assert said.startswith("not a valid HTTP answer: ")


def test_a_proxy_does_not_speak_for_the_server() -> None:
    """What comes before the handshake is the proxy's, though it may look like the server's."""
    said, _ = through_a_proxy(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    assert said == "not a valid HTTP answer: bytes from the proxy before those of the server"
