"""``--limit-rate`` and ``--limit-rate-per-host``: how much is moved in how much time, wherever it goes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo import RateLimits
from pyskopeo.access import Access
from pyskopeo.errors import Stalled
from tests.support.access import access_for, networked
from tests.support.cli import pyskopeo_here, succeed
from tests.support.daemon_access import access as daemon_access
from tests.support.exchange import Response
from tests.support.fake_daemon import FakeDaemon
from tests.support.faults import Chunked, Stall
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator
from tests.support.tls import Authority

pytestmark = pytest.mark.anyio

SIZE = 400_000
IMAGE = build(ImageSpec(layers=tuple(LayerSpec(f"{n}", size=SIZE, compression="none") for n in range(2))))
TOTAL = sum(map(len, IMAGE.blobs.values()))
RATE = 1_000_000
# Seconds of the limit that may be caught up at once, those of documents too, and some for what is in no body.
BURST = 0.45


@contextmanager
def limited(size: int, rate: int = RATE) -> Iterator[None]:
    """No more than ``size`` bytes are moved inside, at ``rate`` bytes per second: a lower limit for the time."""
    begun = time.monotonic()
    yield
    assert size <= rate * (time.monotonic() - begun + BURST)


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture
def source(tmp_path: Path) -> str:
    return f"oci:{write_layout(IMAGE, tmp_path / 'source')}:latest"


def access(home: Path, total: float = RATE, per_host: float = 0, **network: object) -> Access:
    return networked(access_for(home), rate_limits=RateLimits(total, per_host), **network)


async def copy(source: str, destination: str, one: Access, other: Access | None = None) -> None:
    await pyskopeo.copy(source, destination, source_access=one, destination_access=other or one)


async def test_a_pull(registry: Simulator, tmp_path: Path) -> None:
    with limited(TOTAL):
        await copy(registry.name(), f"oci:{tmp_path}/a:x", access(tmp_path))


async def test_a_pull_in_chunks(registry: Simulator, tmp_path: Path) -> None:
    registry.on("/v2/*/blobs/*", Chunked())
    with limited(TOTAL):
        await copy(registry.name(), f"oci:{tmp_path}/a:x", access(tmp_path))


async def test_over_tls(authority: Authority, tmp_path: Path) -> None:
    with Simulator(IMAGE, tls=authority.server("limits")) as registry, limited(TOTAL):
        await copy(registry.name(), f"oci:{tmp_path}/a:x", access(tmp_path))


async def test_a_push(source: str, tmp_path: Path) -> None:
    with Simulator() as registry, limited(TOTAL):
        await copy(source, registry.name(), access(tmp_path))


@pytest.mark.parametrize("size", [20_000, 300_000, 1_500_000])
async def test_blobs_that_are_sent_in_one_request_or_streamed(size: int, tmp_path: Path) -> None:
    count = 1 + 1_000_000 // size
    image = build(ImageSpec(layers=tuple(LayerSpec(f"{n}", size=size, compression="none") for n in range(count))))
    source = f"oci:{write_layout(image, tmp_path / 'source')}:latest"
    with Simulator() as registry, limited(count * size, 2 * RATE):
        await copy(source, registry.name(), access(tmp_path, 2 * RATE))


async def test_uploads_and_downloads_together(registry: Simulator, tmp_path: Path) -> None:
    with Simulator() as other, limited(2 * TOTAL, 2 * RATE):
        limits = access(tmp_path, 2 * RATE)
        await copy(registry.name(), other.name(), limits, replace(limits))


async def test_copies_at_the_same_time_share_one_limit(registry: Simulator, tmp_path: Path) -> None:
    limits = access(tmp_path)
    with limited(2 * TOTAL):
        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(copy, registry.name(), f"oci:{tmp_path}/{number}:x", limits)


async def test_copies_at_the_same_time_get_equal_shares(registry: Simulator, tmp_path: Path) -> None:
    """When one has all of its bytes, the other one lacks few."""
    limits, moved = access(tmp_path), [0, 0]

    async def pull(number: int) -> None:
        done: dict[str, int] = {}

        def report(event: pyskopeo.Event) -> None:
            if isinstance(event, pyskopeo.BlobProgress):
                done[str(event.digest)] = event.done
                moved[number] = sum(done.values())

        name = f"oci:{tmp_path}/{number}:x"
        await pyskopeo.copy(registry.name(), name, source_access=limits, destination_access=limits, report=report)
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for number in range(2):
            tasks.start_soon(pull, number)
    assert min(moved) >= 0.6 * max(moved)


async def test_each_host_has_its_limit(tmp_path: Path) -> None:
    """Another host is not slowed down, except by what is for all."""
    with Simulator(IMAGE) as registry, limited(TOTAL):
        await copy(registry.name(), f"oci:{tmp_path}/a:x", access(tmp_path, 0, RATE))


async def test_a_wait_for_the_limit_is_no_stall(registry: Simulator, tmp_path: Path) -> None:
    slow = networked(access(tmp_path, 400_000), stall_timeout=0.2, response_timeout=30.0)
    with limited(TOTAL, 400_000):
        await copy(registry.name(), f"oci:{tmp_path}/a:x", slow)


async def test_a_server_that_stalls_is_still_noticed(registry: Simulator, tmp_path: Path) -> None:
    registry.on_blob(IMAGE.layer_digests()[0], Stall(200_000))
    impatient = networked(access(tmp_path), stall_timeout=0.3, retry=pyskopeo.Retry(times=0))
    with pytest.raises(Stalled):
        await copy(registry.name(), f"oci:{tmp_path}/a:x", impatient)


@pytest.mark.parametrize("direction", ["pull", "push"])
async def test_a_cancellation_does_not_wait(direction: str, registry: Simulator, source: str, tmp_path: Path) -> None:
    slow = access(tmp_path, 2000)
    begun = anyio.current_time()
    names = (registry.name(), f"oci:{tmp_path}/a:x") if direction == "pull" else (source, registry.name("other"))
    with anyio.move_on_after(0.3) as scope:
        await copy(*names, slow)
    assert scope.cancelled_caught
    assert anyio.current_time() - begun < 20, "the copy would take seven minutes"


async def test_manifests_are_not_slowed_down_by_blobs(registry: Simulator, tmp_path: Path) -> None:
    """While a pull that takes minutes is under way, others that are small end; so do long lists of tags."""
    small = build(ImageSpec(layers=(LayerSpec("small", size=500),)))
    registry.add(small, "test/small", "latest")
    registry.routes["/v2/test/small/tags/list"] = Response(
        200, (("Content-Type", "application/json"),), json.dumps({"tags": [f"{n:020}" for n in range(6000)]}).encode()
    )
    limits = access(tmp_path, 100_000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(copy, registry.name(), f"oci:{tmp_path}/a:x", limits)
        with anyio.fail_after(20):
            while not any("/blobs/" in line for line in registry.log):
                await anyio.sleep(0.01)
            await copy(registry.name("test/small"), f"oci:{tmp_path}/b:x", limits)
            assert len(await pyskopeo.list_tags(f"docker://{registry.host}/test/small", access=limits)) == 6000
        tasks.cancel_scope.cancel()


# --- through other clients than our own ---


@pytest.mark.parametrize("direction", ["pull", "push"])
async def test_a_client_of_the_caller(direction: str, registry: Simulator, source: str, tmp_path: Path) -> None:
    names = (registry.name(), f"oci:{tmp_path}/a:x") if direction == "pull" else (source, registry.name("other"))
    async with httpx.AsyncClient() as client:
        with limited(TOTAL):
            await copy(*names, access(tmp_path, client=client))
    if direction == "push":
        assert registry.blobs("other").keys() >= IMAGE.blobs.keys()


async def test_the_socket_of_a_docker_daemon_is_not_limited(tmp_path: Path) -> None:
    """At the limit it would take five minutes."""
    image: BuiltImage = build(ImageSpec("docker", layers=(LayerSpec("a", size=300_000),)))
    with FakeDaemon() as daemon, anyio.fail_after(30):
        limits = daemon_access(daemon, tmp_path, rate_limits=RateLimits(1000))
        await copy(f"oci:{write_layout(image, tmp_path / 's')}:latest", "docker-daemon:a/b:v1", limits)


async def test_a_docker_daemon_on_another_host_is(tmp_path: Path) -> None:
    image: BuiltImage = build(ImageSpec("docker", layers=(LayerSpec("a", size=600_000, compression="none"),)))
    with FakeDaemon(tcp=True) as daemon, limited(600_000):
        limits = daemon_access(daemon, tmp_path, rate_limits=RateLimits(RATE))
        await copy(f"oci:{write_layout(image, tmp_path / 's')}:latest", "docker-daemon:a/b:v1", limits)


# --- on the command line ---


def test_the_flags(tmp_path: Path, registry: Simulator) -> None:
    words = ("copy", "-q", "--src-tls-verify=false", registry.name())
    with limited(TOTAL, 1024 * 1024):
        succeed(pyskopeo_here(*words, f"oci:{tmp_path}/a:x", "--limit-rate=1M"))
    with limited(TOTAL, 1024 * 1024):
        succeed(pyskopeo_here(*words, f"oci:{tmp_path}/b:x", "--limit-rate-per-host", "1M"))


def test_both_sides_of_a_copy_share_the_limit(tmp_path: Path, registry: Simulator) -> None:
    with Simulator() as other, limited(2 * TOTAL, 2 * 1024 * 1024):
        words = ("--src-tls-verify=false", "--dest-tls-verify=false", "--limit-rate=2M")
        succeed(pyskopeo_here("copy", "-q", *words, registry.name(), other.name()))


def test_sync(tmp_path: Path, registry: Simulator) -> None:
    with limited(TOTAL, 1024 * 1024):
        words = ("--src=docker", "--dest=oci", "--src-tls-verify=false", "--limit-rate=1M")
        succeed(pyskopeo_here("sync", *words, f"{registry.host}/test/image", tmp_path / "a"))

