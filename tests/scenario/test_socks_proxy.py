"""Through a SOCKS proxy: a small one of our own, since Debian's need a service."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo import Access, Network, Trust
from pyskopeo.config.proxies import Proxies
from pyskopeo.errors import ConnectionFailed, PyskopeoError, Stalled, Unsupported
from pyskopeo.http.retry import Retry
from tests.support import faults as f
from tests.support.access import networked
from tests.support.images import build
from tests.support.simulator import Simulator


class _Socks(socketserver.BaseRequestHandler):
    """SOCKS 5 without authentication (RFC 1928): CONNECT only; every host is this machine."""

    asked: list[str] = []

    def handle(self) -> None:
        client: socket.socket = self.request
        _, count = client.recv(2)
        client.recv(count)
        client.sendall(b"\x05\x00")
        _, command, _, kind = client.recv(4)
        assert command == 1
        host = client.recv(client.recv(1)[0]).decode() if kind == 3 else socket.inet_ntoa(client.recv(4))
        port = int.from_bytes(client.recv(2))
        self.asked.append(host)
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            thread = threading.Thread(target=_pass, args=(client, server), daemon=True)
            thread.start()
            _pass(server, client)


def _pass(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def socks() -> Iterator[str]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    _Socks.asked.clear()
    with Server(("127.0.0.1", 0), _Socks) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"socks5://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _access(proxy: str) -> Access:
    # Loopback is never proxied, so the registry goes by a name only the proxy knows.
    return replace(
        Access.from_environ(),
        trust=Trust(insecure=True),
        network=Network(proxies=Proxies.from_environ({"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy})),
    )


@pytest.mark.anyio
async def test_a_pull_through_socks(socks: str, tmp_path: Path) -> None:
    pytest.importorskip("socksio")
    image = build("oci")
    with Simulator(image) as registry:
        port = registry.host.rpartition(":")[2]
        name = f"docker://registry.invalid:{port}/test/image:latest"
        digest = await pyskopeo.copy(name, f"oci:{tmp_path / 'o'}:x", source_access=_access(socks))
    assert str(digest) == image.root.digest
    assert set(_Socks.asked) == {"registry.invalid"}


@pytest.mark.anyio
async def test_an_answer_through_socks_may_take_longer_than_a_stall(socks: str, tmp_path: Path) -> None:
    pytest.importorskip("socksio")
    access = networked(_access(socks), stall_timeout=0.4, response_timeout=20.0, retry=Retry(times=0))
    with Simulator(build("oci")) as registry:
        registry.on("/v2/*", f.Delay(1.0))
        name = f"docker://registry.invalid:{registry.port}/test/image:latest"
        await pyskopeo.copy(name, f"oci:{tmp_path / 'o'}:x", source_access=access)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fault",
    [
        f.Flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
        f.Flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
        f.Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", b" ", 0.05),
    ],
    ids=["slow interim answers", "interim answers", "a slow body"],
)
async def test_answers_without_end_through_socks(fault: f.Fault, socks: str, tmp_path: Path) -> None:
    """httpx reads interim answers without a limit."""
    pytest.importorskip("socksio")
    limits = {"stall_timeout": 0.5, "connect_timeout": 0.5, "response_timeout": 1.0, "retry": Retry(times=0)}
    with Simulator(build("oci")) as registry:
        registry.on_manifest("*", fault)
        name = f"docker://registry.invalid:{registry.port}/test/image:latest"
        with pytest.raises(Stalled, match="no answer for 1.5 s|the answer comes too slowly"), anyio.fail_after(15):
            await pyskopeo.copy(name, f"oci:{tmp_path / 'o'}:x", source_access=networked(_access(socks), **limits))


@pytest.mark.anyio
async def test_without_socksio_the_error_says_what_to_install(
    socks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    proxy = socks.replace("://", "://user:hidden@")
    with pytest.raises(Unsupported, match=r"pip install 'pyskopeo\[socks\]'") as caught:
        await pyskopeo.copy("docker://registry.invalid/a", f"oci:{tmp_path / 'o'}", source_access=_access(proxy))
    assert "hidden" not in str(caught.value)


@pytest.mark.anyio
async def test_a_proxy_that_is_down_is_named(tmp_path: Path) -> None:
    pytest.importorskip("socksio")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = f"socks5://user:hidden@127.0.0.1:{unused.getsockname()[1]}"
    access = _access(proxy)
    access = replace(access, network=replace(access.network, retry=Retry(times=0)))
    shown = proxy.replace("user:hidden@", "")
    with pytest.raises(ConnectionFailed, match=rf"registry.invalid .through proxy {shown}.: ") as caught:
        await pyskopeo.copy("docker://registry.invalid/a", f"oci:{tmp_path / 'o'}", source_access=access)
    assert "hidden" not in str(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["socks5", "https", "http"])
async def test_a_proxy_that_is_not_there(scheme: str, tmp_path: Path) -> None:
    pytest.importorskip("socksio")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        proxy = f"{scheme}://127.0.0.1:{unused.getsockname()[1]}"
        access = networked(_access(proxy), retry=Retry(times=0))
        with pytest.raises(PyskopeoError, match=f"{proxy}.*: connection refused"):
            await pyskopeo.copy("docker://registry.invalid/a:1", f"oci:{tmp_path / 'o'}:x", source_access=access)


@pytest.mark.anyio
async def test_a_proxy_that_does_not_speak_tls(tmp_path: Path) -> None:
    with Simulator(build("oci")) as registry:
        access = networked(_access(f"https://127.0.0.1:{registry.port}"), retry=Retry(times=0))
        with pytest.raises(ConnectionFailed, match=r"through proxy https://127.0.0.1:\d+\): .*ssl"):
            await pyskopeo.copy("docker://registry.invalid/a:1", f"oci:{tmp_path / 'o'}:x", source_access=access)
