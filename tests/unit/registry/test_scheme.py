"""https or plain http, where either will do: what is tried, and what is told when neither is had."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo.errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError, UnsafeAddress
from pyskopeo.http.connect import Connector
from pyskopeo.http.origin import Origin
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from pyskopeo.registry.scheme import Schemes, probe_scheme
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
        Connector(lambda _: context, lambda _: None).open(origin, public_only=False)
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


class Asked:
    """Answers to both questions; an error is raised."""

    def __init__(self, secure: NetworkError | int, plain: NetworkError | int) -> None:
        self._answers = {"https": secure, "http": plain}
        self.asked: list[str] = []

    async def __call__(self, url: str) -> httpx.Response:
        self.asked.append(url)
        answer = self._answers[url.partition(":")[0]]
        if isinstance(answer, NetworkError):
            raise answer
        return httpx.Response(answer)


REFUSED, GONE = HandshakeFailed("TLS: no"), ConnectionFailed("connection refused")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("host", "secure", "plain", "found", "questions"),
    [
        ("a.example", 200, 200, "https", 1),
        ("a.example", 401, GONE, "https", 1),
        ("a.example", 400, 200, "https", 1),
        ("a.example", GONE, GONE, "http", 1),
        ("a.example", CertificateNotTrusted("no", host=""), 200, "http", 1),
        # Whoever refuses us at 443 may have a registry at 80.
        ("a.example", REFUSED, 200, "http", 2),
        ("a.example", REFUSED, GONE, REFUSED, 2),
        ("a.example", REFUSED, UnsafeAddress("no"), REFUSED, 2),
        ("a.example:5000", REFUSED, 400, REFUSED, 1),
        ("a.example:5000", GONE, 200, "http", 1),
    ],
)
async def test_which_it_is(
    host: str, secure: NetworkError | int, plain: NetworkError | int, found: NetworkError | str, questions: int
) -> None:
    asked = Asked(secure, plain)
    if isinstance(found, str):
        assert await probe_scheme(host, asked) == found
    else:
        with pytest.raises(type(found)) as caught:
            await probe_scheme(host, asked)
        assert caught.value is found
    assert asked.asked == [f"https://{host}/v2/", f"http://{host}/v2/"][:questions]


@pytest.mark.anyio
async def test_a_registry_is_probed_once_for_all_who_ask() -> None:
    schemes, asked = Schemes(), Asked(GONE, 200)
    found: list[str] = []

    async def get(host: str, trust: Trust) -> None:
        found.append(await schemes.get(host, trust, asked))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(get, "a.example", Trust(insecure=True))
    assert found == ["http"] * 10
    assert asked.asked == ["https://a.example/v2/"]
    await get("b.example", Trust(insecure=True))
    await get("a.example", Trust(insecure=True, realms=frozenset({"other"})))
    assert len(asked.asked) == 3


@pytest.mark.anyio
@pytest.mark.parametrize("insecure", [None, False])
async def test_nothing_is_probed_where_plain_http_is_not_allowed(insecure: bool | None) -> None:
    asked = Asked(GONE, 200)
    assert await Schemes().get("a.example", Trust(insecure=insecure), asked) == "https"
    assert asked.asked == []


@pytest.mark.anyio
async def test_a_probe_that_fails_is_repeated() -> None:
    schemes = Schemes()
    with pytest.raises(HandshakeFailed):
        await schemes.get("a.example", Trust(insecure=True), Asked(REFUSED, GONE))
    assert await schemes.get("a.example", Trust(insecure=True), Asked(200, GONE)) == "https"


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
