"""The read-only registry behind a real socket: real skopeo pulls from it, and it ends when it is told to."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo.errors import NetworkError
from pyskopeo.model.referrer import WantedReferrers
from pyskopeo.serve import protocol, serve
from tests.support.access import access_for
from tests.support.images import build, digest_of
from tests.support.outputs import blob_path, write_dir, write_layout
from tests.support.referring import SBOM, SIGNATURE, referring
from tests.support.require import require_peer

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The server needs asyncio."""
    return "asyncio"


@asynccontextmanager
async def running(layout: Path) -> AsyncIterator[str]:
    """``host:port`` of a server that ends with the block, quickly."""
    ready = anyio.Event()
    address = ""

    def on_ready(host: str, port: int) -> None:
        nonlocal address
        address = f"{host}:{port}"
        ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve, layout, "127.0.0.1", 0, on_ready=on_ready))
        with anyio.fail_after(10):
            await ready.wait()
        yield address
        tasks.cancel_scope.cancel()


async def skopeo(*arguments: str) -> bytes:
    command = [require_peer("skopeo"), "--insecure-policy", *arguments]
    done = await anyio.run_process(command, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout


def never(host: str, port: int) -> None:
    pytest.fail(f"it listens on {host}:{port}")


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


async def test_referrers_are_listed(tmp_path: Path) -> None:
    image = build("oci")
    every = [referring(image, note=str(number) * 1_500_000) for number in range(4)]
    for one, tag in ((image, "v1"), *((one, None) for one in every)):
        write_layout(one, tmp_path / "layout", tag=tag)
    async with running(tmp_path / "layout") as address:
        found = await pyskopeo.list_referrers(f"docker://{address}/x:v1", types=[SBOM], access=access_for(tmp_path))
    assert [str(one.descriptor.digest) for one in found.images[0].referrers] == sorted(one.digest for one in every)
    assert {one.origin for one in found.images[0].referrers} == {"referrers API"}


async def test_referrers_are_copied(tmp_path: Path) -> None:
    image = build("oci")
    bom = referring(image)
    signed = referring(bom, SIGNATURE)
    for one, tag in ((image, "v1"), (bom, None), (signed, None)):
        write_layout(one, tmp_path / "layout", tag=tag)
    async with running(tmp_path / "layout") as address:
        await pyskopeo.copy(
            f"docker://{address}/x:v1", f"oci:{tmp_path / 'copy'}:v1", source_access=access_for(tmp_path),
            destination_access=access_for(tmp_path), referrers=WantedReferrers(copied=True),
        )  # fmt: skip
    found = await pyskopeo.list_referrers(f"oci:{tmp_path / 'copy'}:v1", access=access_for(tmp_path))
    (refers,) = found.images[0].referrers
    assert str(refers.descriptor.digest) == bom.digest
    assert [str(below.descriptor.digest) for below in refers.referrers] == [signed.digest]


@pytest.mark.parametrize("kind", ["docker", "oci", "oci-index", "docker-list", "oci-zstd", "docker-repeated"])
async def test_skopeo_pulls_the_same_bytes(tmp_path: Path, kind: str) -> None:
    image = build(kind)
    layout = write_layout(image, tmp_path / "layout", tag="v1")
    async with running(layout) as address:
        source = f"docker://{address}/team/x"
        for number, reference in enumerate((":v1", f"@{image.digest}")):
            target = tmp_path / str(number)
            await skopeo("copy", "--all", "--src-tls-verify=false", source + reference, f"dir:{target}")
            assert files(target) == files(write_dir(image, tmp_path / f"wanted{number}"))


async def test_a_layout_that_skopeo_wrote(tmp_path: Path) -> None:
    origin = write_dir(build("docker"), tmp_path / "origin")
    layout = tmp_path / "layout"
    await skopeo("copy", f"dir:{origin}", f"oci:{layout}:v1")
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    async with running(layout) as address:
        source = f"docker://{address}/layout"
        tags = json.loads(await skopeo("list-tags", "--tls-verify=false", source))["Tags"]
        assert tags == ["v1"]
        await skopeo("copy", f"dir:{origin}", f"oci:{layout}:v2")
        assert json.loads(await skopeo("list-tags", "--tls-verify=false", source))["Tags"] == ["v1", "v2"]
        raw = await skopeo("inspect", "--raw", "--tls-verify=false", f"{source}:v2")
        assert digest_of(raw) == entry["digest"]
        await skopeo("copy", "--src-tls-verify=false", f"{source}:v1", f"oci:{tmp_path / 'copy'}:v1")
    blobs = files(layout / "blobs")
    assert files(tmp_path / "copy" / "blobs") == blobs
    assert all(hashlib.sha256(content).hexdigest() == name.rpartition("/")[2] for name, content in blobs.items())


async def test_skopeo_is_told_that_pushes_are_refused(tmp_path: Path) -> None:
    image = build("docker")
    layout = write_layout(image, tmp_path / "layout", tag="v1")
    before = files(layout)
    async with running(layout) as address:
        origin = write_dir(build("docker-history"), tmp_path / "origin")
        command = ["--insecure-policy", "copy", "--dest-tls-verify=false", f"dir:{origin}", f"docker://{address}/x:new"]
        done = await anyio.run_process([require_peer("skopeo"), *command], stderr=subprocess.STDOUT, check=False)
    assert done.returncode != 0
    assert b"read-only" in done.stdout or b"405" in done.stdout
    assert files(layout) == before


async def test_ranges_over_a_socket(tmp_path: Path) -> None:
    layout = write_layout(build("oci"), tmp_path / "layout")
    content = hashlib.shake_128(b"big").digest(3_000_000)
    blob_path(layout, digest_of(content)).write_bytes(content)
    async with running(layout) as address, httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as http:
        path = f"/v2/x/blobs/{digest_of(content)}"
        assert (await http.get(path)).content == content
        answer = await http.get(path, headers={"Range": "bytes=1000000-2500000"})
        assert (answer.status_code, answer.content) == (206, content[1_000_000:2_500_001])
        head = await http.head(path)
        assert (head.headers["content-length"], head.content) == (str(len(content)), b"")
        missing = await http.head("/v2/x/manifests/none")
        assert (missing.status_code, missing.content) == (404, b"")


async def test_clients_that_do_nothing_are_disconnected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep nobody else out, and one that reads slowly gets everything."""
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 40)
    layout = write_layout(build("oci"), tmp_path / "layout")
    content = hashlib.shake_128(b"big").digest(8_000_000)
    blob_path(layout, digest_of(content)).write_bytes(content)
    async with running(layout) as address, AsyncExitStack() as stack:
        host, port = address.split(":")
        idle = [await stack.enter_async_context(await anyio.connect_tcp(host, int(port))) for _ in range(60)]
        for stream in idle:
            with suppress(anyio.BrokenResourceError):  # it has made room for others already
                await stream.send(b"GET /v2/ HTTP/1.1\r\n")
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"http://{address}/v2/")).status_code == 200
            received = 0
            async with http.stream("GET", f"http://{address}/v2/x/blobs/{digest_of(content)}") as answer:
                async for piece in answer.aiter_raw(1_000_000):
                    received += len(piece)
                    await anyio.sleep(0.1)
            assert received == len(content)
        with anyio.fail_after(10):
            for stream in idle:
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await stream.receive()


async def test_it_ends_at_once_in_the_middle_of_a_download(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    layout = write_layout(build("oci"), tmp_path / "layout")
    digest = digest_of(b"large")
    with blob_path(layout, digest).open("wb") as file:
        file.truncate(1 << 30)
    async with AsyncExitStack() as server, httpx.AsyncClient(trust_env=False) as http:
        address = await server.enter_async_context(running(layout))
        async with http.stream("GET", f"http://{address}/v2/x/blobs/{digest}") as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces)
            started = time.monotonic()
            await server.aclose()
            assert time.monotonic() - started < 10
            with pytest.raises(httpx.TransportError):
                async for _ in pieces:
                    pass
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://{address}/v2/")
    assert not [record for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))]


async def test_signals_are_the_callers(tmp_path: Path) -> None:
    import signal

    layout = write_layout(build("oci"), tmp_path / "layout")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with running(layout) as address, httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"http://{address}/v2/")).status_code == 200
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_an_address_that_is_taken(tmp_path: Path) -> None:
    layout = write_layout(build("oci"), tmp_path / "layout")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NetworkError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: Address already in use$"):
            await serve(layout, "127.0.0.1", port, on_ready=never)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("192.0.2.1", 0), ("a..b", 0), ("no host", 0)])
async def test_an_address_that_cannot_be(tmp_path: Path, host: str, port: int) -> None:
    layout = write_layout(build("oci"), tmp_path / "layout")
    with pytest.raises(NetworkError, match=rf"^cannot listen on {host}:{port}: [^\n]+$"):
        await serve(layout, host, port, on_ready=never)
