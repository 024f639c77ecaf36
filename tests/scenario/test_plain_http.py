"""Servers that speak TLS, refuse it, or speak something else."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.errors import ConnectionFailed, HandshakeFailed
from pyskopeo.http.connect import Connector
from pyskopeo.http.origin import Origin
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from tests.support.access import access_for
from tests.support.images import build
from tests.support.listening import listening
from tests.support.pulling import AMD64
from tests.support.simulator import Simulator
from tests.support.tls import Authority

ALERTS = {"protocol version": 70, "handshake failure": 40, "unrecognized name": 112, "internal error": 80}


def alert(number: int) -> bytes:
    """A fatal alert of TLS 1.2 (RFC 5246, section 7.2)."""
    return bytes((21, 3, 3, 0, 2, 2, number))


@contextmanager
def saying(first: bytes) -> Iterator[Origin]:
    """A server whose answer is the same, whoever asks for what."""

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(4096)
            connection.sendall(first)

    with listening(serve) as port:
        yield Origin("https", "127.0.0.1", port)


def failure(origin: Origin, context: ssl.SSLContext | None = None) -> ConnectionFailed:
    """What comes of a handshake with nothing verified."""
    context = context or ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ConnectionFailed) as caught:
        Connector(lambda _: context, lambda _: None).open(origin)
    return caught.value


@pytest.mark.parametrize(("said", "number"), ALERTS.items())
def test_an_alert_is_a_refusal_by_tls(said: str, number: int) -> None:
    with saying(alert(number)) as origin:
        error = failure(origin)
    assert isinstance(error, HandshakeFailed)
    assert str(error).startswith(f"{origin.netloc}: TLS: ")
    assert said in str(error)
    assert error.temporary == (said == "internal error")


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n", b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n", b"<html>\r\n",
        b"400 Bad Request", b"GET / HTTP/1.1", b"CONNECT", b"SSH-2.0-x\r\n", b"\0" * 20, b"\xff" * 20, b"HT", b"",
    ],
)  # fmt: skip
def test_whoever_speaks_something_else_has_refused_nothing(first: bytes) -> None:
    with saying(first) as origin:
        assert not isinstance(failure(origin), HandshakeFailed)


def test_what_we_cannot_ask_is_no_refusal() -> None:
    context = ssl.create_default_context()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    with saying(b"") as origin:
        error = failure(origin, context)
    assert "no protocols available" in str(error)
    assert not isinstance(error, HandshakeFailed)


@pytest.mark.anyio
async def test_the_refusal_of_tls_is_what_is_told(authority: Authority, tmp_path: Path) -> None:
    """Not what such a server says to plain http, which is that it wants https."""
    wanting = authority.server("wanting", client_authority=authority.path)
    with Simulator(build("oci"), tls=wanting) as registry:
        access = access_for(tmp_path, trust=Trust(insecure=True), retry=Retry(times=0))
        with pytest.raises(HandshakeFailed, match=rf"{registry.host}: TLS: .*certificate"):
            await pyskopeo.copy(registry.name(), f"dir:{tmp_path}/o", selection=AMD64, source_access=access)
        assert registry.requests == ()
        registry.failures.clear()


@pytest.mark.anyio
@pytest.mark.parametrize("reset", [True, False])
async def test_a_refusal_that_is_lost_with_the_connection(reset: bool, authority: Authority, tmp_path: Path) -> None:
    """TLS 1.3: for us the handshake is over when the server makes up its mind."""
    context = authority.server("hasty").server_context()
    greeted = 0

    def serve(connection: socket.socket) -> None:
        nonlocal greeted
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            greeted += 1
            secure.recv(1)
            secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", reset, 0))

    with listening(serve) as port:
        host = f"127.0.0.1:{port}"
        access = access_for(tmp_path, trust=Trust(insecure=True), retry=Retry(times=0))
        with pytest.raises(HandshakeFailed, match=f"{host}: TLS: the connection was closed before an answer"):
            await pyskopeo.copy(f"docker://{host}/a/b", f"dir:{tmp_path}/o", selection=AMD64, source_access=access)
    assert greeted == 1
