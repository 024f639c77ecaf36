"""Where a connection may lead."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import pytest

from pyskopeo.errors import ConnectionFailed, UnsafeAddress
from pyskopeo.http.connect import ConnectAttempt, Connector, check_literal_address
from pyskopeo.http.origin import Origin
from pyskopeo.streams.cancellation import Cancellation, Cancelled, check_cancelled
from tests.support.lines import Line
from tests.support.listening import listening


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.0.0.1.", "[::1]", "[::ffff:10.0.0.1]"]
    + ["2130706433", "0x7f.1", "0177.1", "127.1", "0", "169.254.169.254", "10.0.0.1"],
)
def test_through_a_proxy_addresses_are_read(host: str) -> None:
    """There the proxy resolves names, but what is plainly an address is seen."""
    with pytest.raises(UnsafeAddress, match="private address"):
        check_literal_address(Origin.of(f"https://{host}/"))


@pytest.mark.parametrize("host", ["example.com", "1.1.1.1", "[2606:4700::1111]", "16843009", "localhost.example.com"])
def test_through_a_proxy_others_pass(host: str) -> None:
    """Names below localhost do not."""
    check_literal_address(Origin.of(f"https://{host}/"))
    with pytest.raises(UnsafeAddress, match="private address"):
        check_literal_address(Origin.of("https://a.localhost/"))


def cancelled_within(work: Callable[[Cancellation], None]) -> None:
    """Have ``work`` cancel itself; it must end as cancelled."""
    cancellation = Cancellation()
    with pytest.raises(Cancelled):
        cancellation.run(lambda: work(cancellation))


def test_an_attempt_to_connect_is_woken(line: Line) -> None:
    """Even when TLS has taken the descriptor out of the socket, as wrap_socket does."""

    def work(cancellation: Cancellation) -> None:
        with ConnectAttempt() as attempt:
            attempt.begin(line.near)
            wrapped = socket.socket(fileno=line.near.detach())
            with wrapped:
                wrapped.settimeout(2)
                cancellation.cancel()
                assert wrapped.recv(1) == b""

    cancelled_within(work)


def test_an_attempt_that_is_over_is_left_alone(line: Line) -> None:
    def work(cancellation: Cancellation) -> None:
        with ConnectAttempt() as attempt:
            attempt.begin(line.near)
        cancellation.cancel()
        check_cancelled()

    cancelled_within(work)
    assert line.is_open


def test_a_second_attempt_takes_the_place_of_the_first(line: Line) -> None:
    other = Line()

    def work(cancellation: Cancellation) -> None:
        with ConnectAttempt() as attempt:
            attempt.begin(other.near)
            attempt.begin(line.near)
            cancellation.cancel()

    cancelled_within(work)
    assert other.is_open
    assert not line.is_open
    other.close()


def test_an_attempt_that_comes_too_late_is_not_begun(line: Line) -> None:
    def work(cancellation: Cancellation) -> None:
        cancellation.cancel()
        with ConnectAttempt() as attempt:
            attempt.begin(line.near)

    cancelled_within(work)
    assert line.is_open


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
            connector.open(Origin.of("https://registry.example:5000"), public_only=False)
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
