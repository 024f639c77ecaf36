"""``serve`` beyond one machine: what it refuses, certificates, files that change, records, and how it ends."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

from pyskopeo.serve import server
from pyskopeo.serve.watched_file import TlsFiles
from tests.support.cli import fatal, pyskopeo_here
from tests.support.images import build
from tests.support.outputs import write_layout
from tests.support.processes import wait_until
from tests.support.served import USERS, Served, served
from tests.support.tls import Authority

ALICE = ("alice", "secret")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return write_layout(build("oci"), tmp_path / "layout", tag="v1")


@pytest.fixture
def users(tmp_path: Path) -> Path:
    (tmp_path / "users").write_text(USERS)
    return tmp_path / "users"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "registry.example.com", "127.0.0.1.example.com"])
def test_nobody_gets_in_unasked(host: str) -> None:
    done = pyskopeo_here("serve", "oci:x", "--listen", f"{host}:0")
    assert fatal(done).startswith(f"anyone who reaches {host.strip('[]')} could use the registry: give --htpasswd or --token-file")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--anonymous-pull", "--anonymous-pull is for a registry with logins: give --htpasswd or --token-file, too"),
        ("--tls-cert users", "--tls-cert and --tls-key are given together"),
        ("--tls-cert users --tls-key users", "cannot use the certificate in users with the key in users: "),
        ("--tls-cert none --tls-key users", "open none: no such file or directory"),
        ("--tls-cert cert --tls-key locked", "the key in locked is encrypted: give one without a passphrase"),
        ("--tls-cert cert --tls-key other", "cannot use the certificate in cert with the key in other: key values mismatch"),
        ("--htpasswd none", "open none: no such file or directory"),
        ("--htpasswd cert", "cert: line 1 is not USER:HASH"),
        ("--token-file users", "users is not valid TOML: line 1, column 6"),
        ("--access-rules users", "users is not valid TOML: line 1, column 6"),
        ("--access-log none/log", "open none/log: no such file or directory"),
        ("--public-url registry.example.com", 'invalid argument "registry.example.com" for "--public-url" flag: want such'),
        ("--max-requests 0", 'invalid argument for "--max-requests" flag: want 1 or more'),
        ("--metrics-listen x", 'invalid argument "x" for "--metrics-listen" flag: want HOST:PORT'),
        ("--listen 127.0.0.1:99999", 'invalid argument "127.0.0.1:99999" for "--listen" flag: want HOST:PORT'),
    ],
)
def test_what_cannot_be_used(
    layout: Path, users: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, flags: str, message: str
) -> None:
    from cryptography.hazmat.primitives import serialization as keys

    monkeypatch.chdir(users.parent)
    pair = authority.server("one").pair
    Path("cert").write_bytes(pair.certificate.read_bytes())
    Path("other").write_bytes(authority.server("two").pair.key.read_bytes())
    key = keys.load_pem_private_key(pair.key.read_bytes(), None)
    secret = keys.BestAvailableEncryption(b"secret")
    Path("locked").write_bytes(key.private_bytes(keys.Encoding.PEM, keys.PrivateFormat.PKCS8, secret))
    done = pyskopeo_here("serve", "oci:layout", "--listen", "127.0.0.1:0", *flags.split())
    assert fatal(done).startswith(message)


@pytest.mark.parametrize("flags", ["", "--writable"])
def test_a_layout_whose_index_is_broken(layout: Path, flags: str) -> None:
    (layout / "index.json").write_text("{")
    done = pyskopeo_here("serve", f"oci:{layout}", "--listen", "127.0.0.1:0", *flags.split())
    assert "index.json is not valid JSON: " in fatal(done)


def certificate_of(server: Served, authority: Authority) -> bytes:
    host, _, port = server.host.partition(":")
    context = ssl.create_default_context(cafile=str(authority.path))
    with socket.create_connection((host, int(port)), timeout=15) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        found = tls.getpeercert(binary_form=True)
        assert found
        return found


@pytest.fixture
def encrypted(layout: Path, users: Path, authority: Authority) -> Iterator[tuple[Served, Path]]:
    """A server with TLS and logins, and the folder of its files ``users``, ``cert`` and ``key``."""
    pair, folder = authority.server("first").pair, users.parent
    (folder / "cert").write_bytes(pair.certificate.read_bytes())
    (folder / "key").write_bytes(pair.key.read_bytes())
    flags = ("--tls-cert", folder / "cert", "--tls-key", folder / "key", "--htpasswd", users, "--access-log", folder / "log")
    with served(layout, *flags) as server:
        yield server, folder


def test_tls_and_files_that_change(encrypted: tuple[Served, Path], authority: Authority) -> None:
    server, folder = encrypted
    assert server.scheme == "https"
    first = certificate_of(server, authority)
    trusting = ssl.create_default_context(cafile=str(authority.path))
    with httpx.Client(base_url=server.url, verify=trusting) as client:
        assert client.get("/v2/x/tags/list", auth=ALICE).json() == {"name": "x", "tags": ["v1"]}
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://{server.host}/v2/")

        (folder / "key").write_text("none")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_line("what was read before still counts")
        assert certificate_of(server, authority) == first

        (folder / "users").write_text(USERS.replace("alice", "carol"))
        pair = authority.server("second").pair
        (folder / "cert").write_bytes(pair.certificate.read_bytes())
        (folder / "key").write_bytes(pair.key.read_bytes())
        (folder / "log").rename(folder / "old")
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: certificate_of(server, authority) != first, 30)
        assert wait_until(lambda: client.get("/v2/", auth=ALICE).status_code == 401, 30)
        assert client.get("/v2/", auth=("carol", "secret")).status_code == 200
    assert wait_until(lambda: "carol" in (folder / "log").read_text(), 30)
    written = (folder / "old").read_text() + (folder / "log").read_text()
    assert ' alice "GET /v2/x/tags/list" 200 ' in written
    assert "secret" not in written
    assert "Authorization" not in written


def test_metrics_at_another_address(layout: Path, users: Path) -> None:
    with served(layout, "--htpasswd", users, "--metrics-listen", "127.0.0.1:0") as server:
        server.wait_for_line("metrics are at http://")
        (url,) = [line.split()[-1] for line in server.lines if line.startswith("metrics are at ")]
        httpx.get(f"{server.url}/v2/")
        assert 'pyskopeo_http_requests_total{endpoint="base",method="GET",status="401"} 1.0' in httpx.get(url).text
        assert httpx.get(url.replace("/metrics", "/healthz")).text == "ok\n"
        assert httpx.get(f"{server.url}/metrics", auth=ALICE).status_code == 404


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "registry", "--writable", "--grace-period", "60s") as server:
        yield server


def uploading(server: Served, total: int = 10) -> socket.socket:
    """A connection on which half of an upload has been sent."""
    location = httpx.post(f"{server.url}/v2/x/blobs/uploads/", content=b"").headers["location"]
    host, _, port = server.host.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {total}\r\n\r\n".encode() + b"hello")
    busy = "pyskopeo_http_requests_in_progress 2.0"  # with the one that asks
    assert wait_until(lambda: busy in httpx.get(f"{server.url}/metrics").text, 30)
    return connection


def accepts(server: Served) -> bool:
    try:
        return httpx.get(f"{server.url}/healthz").status_code in (200, 503)
    except httpx.HTTPError:
        return False


def test_requests_may_finish(registry: Served) -> None:
    with uploading(registry) as connection:
        registry.process.terminate()
        registry.wait_for_line(" may finish for up to 60 s; a second signal ends at once")
        assert wait_until(lambda: not accepts(registry), 30)
        connection.sendall(b"world")
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert b"range: 0-9\r\n" in answer.lower()
    assert registry.process.wait(30) == 0


def test_a_second_signal_ends_them(registry: Served) -> None:
    with uploading(registry) as connection:
        registry.process.terminate()
        registry.wait_for_line("stopping: ")
        registry.process.terminate()
        assert registry.process.wait(30) == 0
        with suppress(ConnectionError):
            assert not connection.recv(1000)
    assert not any("Traceback" in line or "error" in line for line in registry.lines), registry.lines


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_handshake_that_does_not_go_on(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.2)
    pair = authority.server("handshake").pair
    addresses: list[int] = []
    control = server.ServerControl()

    async def app(_scope: object, _receive: object, _send: object) -> None:
        pytest.fail("a request without a handshake")

    def ready(_host: str, port: int) -> None:
        addresses.append(port)

    async with anyio.create_task_group() as tasks:
        tls = TlsFiles(pair.certificate, pair.key).context
        tasks.start_soon(
            partial(server.serve_application, app, "127.0.0.1", 0, on_ready=ready, tls=tls, control=control)
        )
        with anyio.fail_after(15):
            while not addresses:  # noqa: ASYNC110 - the server tells it
                await anyio.sleep(0.01)
            async with await anyio.connect_tcp("127.0.0.1", addresses[0]) as silent:
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await silent.receive()
        control.stop()
