"""Large blobs in parts, by range requests in parallel: when, how many, and from servers that do it wrong."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo.access import Access, Ranges
from pyskopeo.errors import ContentMismatch, NetworkError, StorageFailed
from pyskopeo.http.rate_limit import RateLimits
from pyskopeo.http.retry import Retry
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Explained
from pyskopeo.registry import part_count, part_workers, parted_download
from pyskopeo.registry.range_hosts import HOSTS
from pyskopeo.storage.part_files import PartFile, open_part
from pyskopeo.streams import part_schedule
from tests.support import faults as f
from tests.support.access import access_for, networked
from tests.support.exchange import Request, Response
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.pulling import Pull, blobs
from tests.support.registries_conf import parse_registries
from tests.support.simulator import Simulator
from tests.support.threads import blocked_threads, ends
from tests.support.trees import leftovers

pytestmark = pytest.mark.anyio

KIB = 1024
MIB = 1024 * KIB
IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=4 * MIB, compression="none"),)))
(LARGE,) = IMAGE.layer_digests()
SIZE = len(IMAGE.blobs[LARGE])
RANGES = Ranges(parts=6, size=128 * KIB, least=MIB)
# 3 MB/s for each connection.
SLOW = f.Drip(32 * KIB, 0.01)
# More requests than these are never needed: one for each part, and a few for what failed.
MOST_REQUESTS = SIZE // RANGES.size + 12


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Decide within a tenth of the time, on a tenth of the bytes; forget what other tests have learned."""
    for module, name, value in (
        (part_workers, "_PERIOD", 0.03),
        (part_workers, "_TICK", 0.01),
        (part_workers, "_LEAD", 0.05),
        (part_count, "_WINDOW", 0.05),
        (part_schedule, "_PROOF", 64 * KIB),
    ):
        monkeypatch.setattr(module, name, value)
    HOSTS.clear()
    yield
    HOSTS.clear()


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        running.on_blob(LARGE, SLOW)
        yield running


def in_parts(home: Path, ranges: Ranges = RANGES, **options: object) -> Access:
    return networked(access_for(home, **options), ranges=ranges)  # type: ignore[arg-type]


@pytest.fixture
def pull(registry: Simulator, tmp_path: Path) -> Pull:
    return Pull(registry, IMAGE, tmp_path / "layout", in_parts(tmp_path))


@dataclass(frozen=True)
class OfParts:
    """A fault in answers to requests for parts, which differ from those of a stream by If-Range."""

    fault: f.Fault

    def apply(self, request: Request, response: Response) -> Response:
        return self.fault.apply(request, response) if request.header("If-Range") else response


@dataclass(frozen=True)
class Ranged:
    """A fault in answers to requests with a Range, those of a stream that goes on somewhere included."""

    fault: f.Fault

    def apply(self, request: Request, response: Response) -> Response:
        return self.fault.apply(request, response) if request.header("Range") else response


def asked(registry: Simulator) -> list[tuple[int, int]]:
    """The parts that were requested of the blob, from their starts to their ends; the first stream's is all of it."""
    found = []
    for request in registry.requests:
        if request.path.endswith(LARGE) and request.method == "GET":
            start, end = re.fullmatch(r"bytes=(\d+)-(\d*)", request.header("Range") or "bytes=0-").groups()  # type: ignore[union-attr]
            found.append((int(start), int(end) + 1 if end else SIZE))
    return found


def parts(registry: Simulator) -> list[tuple[int, int]]:
    return [part for part in asked(registry) if part != (0, SIZE)]


def explained(pull: Pull) -> str:
    return "\n".join(event.message for event in pull.events if isinstance(event, Explained))


# --- when, and how many ---


async def test_parts_are_fetched_where_one_connection_limits(pull: Pull, registry: Simulator) -> None:
    await pull.run()
    first, *others = asked(registry)
    assert first == (0, SIZE)
    assert len(others) >= 6
    assert 3 <= registry.most_at_once <= 6 + 1
    assert all(end - start <= RANGES.size for start, end in others)
    # No byte is requested twice, except where the rest of a part is left to another connection.
    starts = sorted(start for start, _ in others)
    assert len(set(starts)) == len(starts)
    assert sum(end - start for start, end in others) < SIZE


async def test_a_part_is_of_the_same_version_of_the_blob(pull: Pull, registry: Simulator) -> None:
    await pull.run()
    found = [request.header("If-Range") for request in registry.requests if request.header("Range")]
    assert found.count(f'"{LARGE}"') > 6
    assert set(found) <= {f'"{LARGE}"', None}  # None of the stream, which takes whatever it gets


async def test_a_weak_etag_proves_nothing(pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, f.SetHeaders({"ETag": 'W/"1"'}))
    await pull.run()
    assert parts(registry)
    assert {request.header("If-Range") for request in registry.requests} == {None}


@pytest.mark.parametrize(
    "ranges",
    [replace(RANGES, parts=1), replace(RANGES, parts=0), replace(RANGES, least=SIZE + 1)],
    ids=["one", "none", "small"],
)
async def test_one_stream_where_parts_are_not_wanted(ranges: Ranges, pull: Pull, registry: Simulator) -> None:
    pull.access = in_parts(pull.root, ranges)
    await pull.run()
    assert asked(registry) == [(0, SIZE)]


async def test_a_fast_server_gets_one_request(tmp_path: Path) -> None:
    """No time is lost by waiting for one connection, so there is nothing to gain."""
    with Simulator(IMAGE) as registry:
        pull = Pull(registry, IMAGE, tmp_path / "layout", in_parts(tmp_path))
        await pull.run()
        assert asked(registry) == [(0, SIZE)]
        assert registry.most_at_once <= 2


async def test_parts_go_into_the_content_store(pull: Pull, registry: Simulator, tmp_path: Path) -> None:
    """From there the blob is linked, by the next pull too."""
    pull.access = replace(pull.access, storage=replace(pull.access.storage, store=tmp_path / "store"))
    await pull.run()
    assert len(parts(registry)) >= 6
    before = asked(registry)
    await Pull(registry, IMAGE, tmp_path / "again", pull.access).run()
    assert asked(registry) == before


async def test_parts_of_a_layer_that_is_decompressed(pull: Pull, registry: Simulator, tmp_path: Path) -> None:
    """They are kept as they come, and decompressed in order."""
    compressed = build(ImageSpec(layers=(LayerSpec("large", size=4 * MIB),)))
    (digest,) = compressed.layer_digests()
    with Simulator(compressed) as other:
        other.on_blob(digest, SLOW)
        for name, access in (("parts", pull.access), ("stream", in_parts(tmp_path, replace(RANGES, parts=0)))):
            destination = f"docker-archive:{tmp_path}/{name}.tar:a:1"
            await pyskopeo.copy(other.name(), destination, source_access=access, destination_access=access)
        requests = [r for r in other.requests if r.path.endswith(digest) and r.header("If-Range")]
    assert len(requests) > 6
    assert (tmp_path / "parts.tar").read_bytes() == (tmp_path / "stream.tar").read_bytes()
    assert leftovers(tmp_path) == []


async def test_blobs_share_the_connections_to_a_host(tmp_path: Path) -> None:
    """The streams of all of them count, and their parts get what is left."""
    image = build(ImageSpec(layers=tuple(LayerSpec(name, size=3 * MIB, compression="none") for name in ("one", "two"))))
    with Simulator(image) as registry:
        for digest in image.layer_digests():
            registry.on_blob(digest, SLOW)
        await Pull(registry, image, tmp_path / "layout", in_parts(tmp_path)).run()
        both = [sum(r.path.endswith(digest) for r in registry.requests) for digest in image.layer_digests()]
        assert min(both) > 1
        # One more may be closing, and the configuration is not large.
        assert registry.most_at_once <= RANGES.parts + 3


async def test_streams_wait_for_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many blobs may be copied at the same time."""
    monkeypatch.setattr(HOSTS, "_most_to_a_host", 2)
    image = build(ImageSpec(layers=tuple(LayerSpec(f"{n}", size=200 * KIB, compression="none") for n in range(8))))
    with Simulator(image) as registry:
        for digest in image.layer_digests():
            registry.on_blob(digest, SLOW)
        await Pull(registry, image, tmp_path / "layout", in_parts(tmp_path)).run(jobs=8)
        assert registry.most_at_once <= 2 + 1  # one may be closing
        assert HOSTS[registry.host].connections == 0


@pytest.mark.filterwarnings(
    "ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
async def test_the_callers_own_client_fetches_parts_too(pull: Pull, registry: Simulator) -> None:
    """Its bodies are read through the event loop."""
    async with httpx.AsyncClient() as client:
        pull.access = networked(pull.access, client=client)
        await pull.run()
    assert len(parts(registry)) >= 6


# --- servers that do it wrong ---

WRONG: dict[str, f.Fault] = {
    "the whole": f.Ranges("ignored"),
    "another range": f.Ranges("wrong-start"),
    "another total": f.Ranges("wrong-total"),
    "from zero": f.Ranges("from-zero"),
    "one byte": f.Ranges("one-byte"),
    "multipart": f.Ranges("multipart"),
    "no Content-Range": f.Ranges("without-content-range"),
    "another ETag": OfParts(f.SetHeaders({"ETag": '"other"'})),
    "400": f.Ranges("refused-400"),
    "403": f.Ranges("refused-403"),
    "416": f.Ranges("refused-416"),
    "short": OfParts(f.Short(1)),
    "long": OfParts(f.Long(1)),
}


@pytest.mark.parametrize("fault", WRONG.values(), ids=WRONG)
async def test_a_server_without_ranges_gets_one_stream(fault: f.Fault, pull: Pull, registry: Simulator) -> None:
    """The stream goes on where it was, and this process sends no more range requests to the host."""
    registry.on_blob(LARGE, fault)
    await pull.run()
    assert len(parts(registry)) == 1
    assert asked(registry)[0] == (0, SIZE)
    assert pull.retries == []
    assert "no more range requests" in explained(pull)
    again = Pull(registry, IMAGE, pull.root.with_name("again"), pull.access)
    await again.run()
    assert len(parts(registry)) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_server_that_refuses_parts_for_a_while(status: int, pull: Pull, registry: Simulator) -> None:
    """There are fewer after that, and none is requested before the stream shows that the server is well."""
    registry.on_blob(LARGE, OfParts(f.Refuse(status)), times=3, skip=5)
    await pull.run()
    assert len(asked(registry)) <= MOST_REQUESTS
    assert len(parts(registry)) > 5


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_server_that_refuses_all_parts(status: int, pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, OfParts(f.Refuse(status)))
    await pull.run()
    assert asked(registry)[0] == (0, SIZE)
    assert 1 <= len(parts(registry)) <= part_count._MAX_FAILURES
    assert pull.retries == []


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_refuses_ranges_for_a_while(status: int, pull: Pull, registry: Simulator) -> None:
    """Also those of the stream, which tries again."""
    registry.on_blob(LARGE, Ranged(f.Refuse(status)), times=3, skip=5)
    await pull.run()
    assert len(asked(registry)) <= MOST_REQUESTS


@pytest.mark.parametrize("skip", [0, 3])
@pytest.mark.parametrize("reset", [False, True])
async def test_parts_that_are_cut(skip: int, reset: bool, pull: Pull, registry: Simulator) -> None:
    """What came of them is kept, and the stream fetches the rest."""
    registry.on_blob(LARGE, OfParts(f.Cut(100_000, reset)), times=4, skip=skip)
    await pull.run()
    assert len(asked(registry)) <= MOST_REQUESTS


async def test_all_parts_are_cut(pull: Pull, registry: Simulator) -> None:
    """Also those that the stream requests: it is the one that tries again."""
    registry.on_blob(LARGE, Ranged(f.Cut(100_000)))
    await pull.run()
    assert len(asked(registry)) <= SIZE // 100_000 + MOST_REQUESTS


async def test_a_part_that_stalls(pull: Pull, registry: Simulator) -> None:
    """It fails by the stall timeout of its own connection, while the others go on."""
    pull.access = in_parts(pull.root, stall_timeout=0.5)
    registry.on_blob(LARGE, OfParts(f.Stall(50_000)), times=1, skip=2)
    await pull.run()
    assert len(asked(registry)) <= MOST_REQUESTS


async def test_a_part_that_never_begins(
    pull: Pull, registry: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream does not wait for it until the response timeout: it goes on itself, on the connection that it has."""
    monkeypatch.setattr(parted_download, "_PATIENCE_OPEN", 0.1)
    registry.on_blob(LARGE, OfParts(f.Delay(30)), times=1, skip=1)
    with anyio.fail_after(20):
        await pull.run()
    assert len(asked(registry)) <= MOST_REQUESTS


async def test_a_part_that_drips(pull: Pull, registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """One slow connection does not hold up all others."""
    monkeypatch.setattr(parted_download, "_PATIENCE", 0.2)
    registry.on_blob(LARGE, OfParts(f.Drip(100, 0.05)), times=1, skip=2)
    with anyio.fail_after(20):
        await pull.run()
    assert len(asked(registry)) <= MOST_REQUESTS


async def test_parts_with_other_bytes(pull: Pull, registry: Simulator) -> None:
    """They are suspected before the server is: the blob is fetched again from there, as one stream."""
    registry.on_blob(LARGE, OfParts(f.Flip(SIZE - 10)))
    await pull.run()
    assert [part for part in asked(registry) if part == (0, SIZE)] == [(0, SIZE)] * 2
    assert pull.warnings == []
    assert asked(registry)[-1] == (0, SIZE)


async def test_a_blob_that_is_wrong_in_every_way(pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, f.Flip(SIZE - 10))
    with pytest.raises(ContentMismatch, match="digest mismatch"):
        await pull.run()
    assert [part for part in asked(registry) if part == (0, SIZE)] == [(0, SIZE)] * 2
    assert len(asked(registry)) <= MOST_REQUESTS
    assert LARGE not in blobs(pull.root)


async def test_a_redirect_whose_target_refuses_ranges(pull: Pull, registry: Simulator) -> None:
    """A presigned URL that was signed without Range."""
    registry.on_blob(LARGE, f.Redirect(f"{registry.url}/storage/{{name}}?signature=1"))
    registry.on("/storage/*", SLOW, f.Ranges("refused-403"))
    await pull.run()
    storage = [request for request in registry.requests if request.path.startswith("/storage/")]
    assert [bool(request.header("Range")) for request in storage] == [False, True]


async def test_redirects_that_expire(pull: Pull, registry: Simulator) -> None:
    """Each part is requested at the registry, which signs a new URL."""
    registry.on_blob(LARGE, f.Redirect(f"{registry.url}/storage/{{name}}?signature=1"))
    registry.on("/storage/*", SLOW)
    await pull.run()
    storage = [request for request in registry.requests if request.path.startswith("/storage/")]
    assert len(storage) == len(asked(registry)) - len([r for r in registry.requests if r.path.startswith("/storage/")]) > 6


class AtRandom:
    """Another fault for each part, or none."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def apply(self, request: Request, response: Response) -> Response:
        faults = (
            f.Cut(self._random.randrange(100_000), reset=self._random.random() < 0.5),
            f.Refuse(self._random.choice((403, 404, 429, 500, 503))),
            f.Drop(),
            f.Delay(self._random.random() / 2),
            f.Drip(1000, 0.01),
            f.Stall(self._random.randrange(100_000)),
        )
        return self._random.choice(faults).apply(request, response) if self._random.random() < 0.3 else response


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_to_parts(
    seed: int, pull: Pull, registry: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blob is right, and the stream, which has no failure, has nothing to try again."""
    monkeypatch.setattr(parted_download, "_PATIENCE", 0.3)
    pull.access = in_parts(pull.root, stall_timeout=0.5)
    registry.on_blob(LARGE, OfParts(AtRandom(seed)))
    with anyio.fail_after(60):
        await pull.run()
    assert pull.retries == []
    assert len(asked(registry)) <= 2 * MOST_REQUESTS
    assert await ends(lambda: not blocked_threads())
    assert HOSTS[registry.host].connections == 0


# --- errors and cancellation ---


async def test_a_full_disk_ends_all_connections(
    pull: Pull, registry: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: PartFile, buffer: memoryview, offset: int) -> None:
        if offset > SIZE // 2:
            raise StorageFailed("writing the blob: no space left on device")
        written(self, buffer, offset)

    written = PartFile.write_at
    monkeypatch.setattr(PartFile, "write_at", full)
    with pytest.raises(StorageFailed, match="no space left on device"):
        await pull.run()
    assert await ends(lambda: not blocked_threads())
    assert HOSTS[registry.host].connections == 0


async def test_a_server_that_goes_away(pull: Pull, registry: Simulator) -> None:
    """One error, after the retries of the stream: the parts add none."""
    pull.access = in_parts(pull.root, retry=Retry(times=2, delay=0.01))
    registry.on_blob(LARGE, f.Drop(), skip=4)
    registry.on_blob(LARGE, f.Cut(400_000), times=4)
    with pytest.raises(NetworkError):
        await pull.run()
    dropped = len(asked(registry)) - 4
    # A request on a connection that was closed while it was idle is sent again on another one.
    assert dropped <= 3 * RANGES.parts
    assert await ends(lambda: not blocked_threads())
    assert HOSTS[registry.host].connections == 0


async def test_cancellation_ends_all_connections(pull: Pull, registry: Simulator) -> None:
    await cancelled(pull, lambda: registry.most_at_once >= 4)
    assert await ends(lambda: not blocked_threads())
    assert HOSTS[registry.host].connections == 0


# --- what an earlier run has left, and mirrors ---


async def test_parts_of_an_interrupted_run_are_not_fetched_again(
    pull: Pull, registry: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are not at the beginning of the blob either."""
    await cancelled(pull, lambda: len(parts(registry)) > 10)
    before = len(asked(registry))
    (left,) = (pull.root / "blobs" / "sha256").glob(".*.partial")
    kept = left.stat().st_blocks * 512
    assert kept > 6 * RANGES.size
    fetched = 0

    def count(method: Callable[..., None]) -> Callable[..., None]:
        def counted(self: PartFile, buffer: memoryview, *offset: int) -> None:
            nonlocal fetched
            fetched += len(buffer)
            method(self, buffer, *offset)

        return counted

    for name in ("write", "write_at"):
        monkeypatch.setattr(PartFile, name, count(getattr(PartFile, name)))
    await pull.run()
    assert fetched <= SIZE - kept + 32 * KIB  # the journal, the configuration, and blocks that were written in part
    assert asked(registry)[before][0] > 0


def gaps(held: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The bytes that a part file lacks, as ranges."""
    ends, starts = [end for _, end in held], [start for start, _ in held[1:]]
    return [gap for gap in zip(ends, [*starts, SIZE], strict=True) if gap[0] < gap[1]]


async def leave(root: Path, held: list[tuple[int, int]]) -> None:
    """Have the part file of an interrupted run that has these bytes of the blob."""
    folder = root / "blobs" / "sha256"
    folder.mkdir(parents=True)
    content = memoryview(IMAGE.blobs[LARGE])
    with suppress(RuntimeError):
        async with open_part(folder / LARGE[7:], Descriptor("", Digest.parse(LARGE), SIZE), resume=True) as part:
            part.write(content[: held[0][1]])
            for start, end in held[1:]:
                part.write_at(content[start:end], start)
                part.part_written(start, end)
            raise RuntimeError


KEPT = {
    "a few gaps": [(0, 300 * KIB), (400 * KIB, MIB), (MIB + 20 * KIB, 3 * MIB), (3 * MIB + 200 * KIB, SIZE)],
    "one small gap": [(0, 2 * MIB), (2 * MIB + 10_000, SIZE)],
    "the end": [(0, SIZE - 100 * KIB)],
    "a large gap": [(0, 200 * KIB), (SIZE - 300 * KIB, SIZE)],
    "the beginning": [(0, 0), (MIB // 2, SIZE)],
    "almost nothing": [(0, 100 * KIB)],
}


@pytest.mark.parametrize("proven", [True, False], ids=["parts", "stream"])
@pytest.mark.parametrize("held", KEPT.values(), ids=KEPT)
async def test_no_byte_is_requested_twice_after_an_interruption(
    held: list[tuple[int, int]], proven: bool, pull: Pull, registry: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a response has beyond that would be sent for nothing, even if it is not read."""
    monkeypatch.setattr(part_workers, "_LEAD", 0.0)
    if not proven:
        pull.access = in_parts(pull.root, replace(RANGES, parts=0))
    await leave(pull.root, held)
    await pull.run()
    requested = sorted(asked(registry))
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(requested))
    assert sum(end - start for start, end in requested) == sum(end - start for start, end in gaps(held))


async def test_wrong_bytes_of_an_interrupted_run(pull: Pull, registry: Simulator) -> None:
    """They are suspected first: no server is blamed, and the blob is fetched again."""
    await cancelled(pull, lambda: len(parts(registry)) > 10)
    (left,) = (pull.root / "blobs" / "sha256").glob(".*.partial")
    with left.open("r+b") as file:
        file.seek(1000)
        file.write(b"something else")
    await pull.run()
    assert pull.warnings == []
    assert not HOSTS[registry.host].refused


async def test_a_mirror_that_fails_in_the_middle(pull: Pull, registry: Simulator) -> None:
    """The stream goes on at the registry, and so do the parts; those of the mirror are kept."""
    with Simulator(IMAGE) as mirror:
        mirror.on_blob(LARGE, f.Drop(), skip=8)
        mirror.on_blob(LARGE, f.Cut(1_200_000), SLOW)
        text = (
            f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}"\ninsecure = true\n'
        )
        pull.access = replace(pull.access, registries=lambda: parse_registries(text, "/r.conf"))
        await pull.run()
        assert len(pull.warnings) == 1
        assert f"going on with {registry.host}" in pull.warnings[0]
        assert len(parts(mirror)) >= 3
        assert parts(registry)[0][0] > 0
        assert len(parts(registry)) > 3
        assert len(asked(mirror)) + len(asked(registry)) <= MOST_REQUESTS + 8


async def test_a_mirror_with_wrong_parts(pull: Pull, registry: Simulator) -> None:
    """It sends the blob as one stream before the registry is asked."""
    with Simulator(IMAGE) as mirror:
        mirror.on_blob(LARGE, OfParts(f.Flip(SIZE - 10)), SLOW)
        text = (
            f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}"\ninsecure = true\n'
        )
        pull.access = replace(pull.access, registries=lambda: parse_registries(text, "/r.conf"))
        await pull.run()
        assert asked(mirror).count((0, SIZE)) == 2
        assert asked(registry) == []


async def cancelled(pull: Pull, condition: Callable[[], bool]) -> None:
    """Run the pull, and cancel it as soon as ``condition`` holds."""

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pull.run)
        with anyio.fail_after(20):
            while not condition():
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert LARGE not in blobs(pull.root)


async def test_a_rate_limit_holds_for_all_parts_together(registry: Simulator, tmp_path: Path) -> None:
    """Also where parts are fetched for nothing, because it is the limit that they wait for."""
    rate = 3 * MIB // 2
    access = networked(in_parts(tmp_path), rate_limits=RateLimits(rate))
    begun = time.monotonic()
    await Pull(registry, IMAGE, tmp_path / "layout", access).run()
    assert SIZE <= rate * (time.monotonic() - begun + 0.45)  # what may be caught up at once
    assert parts(registry)
