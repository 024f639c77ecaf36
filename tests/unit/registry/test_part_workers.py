"""When workers begin to fetch parts: only where the stream's connection is what limits. Nothing is sent."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from pyskopeo.access import Ranges
from pyskopeo.errors import ConnectionFailed
from pyskopeo.http.messages import Response
from pyskopeo.http.retry import Retry
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Report, ignore
from pyskopeo.registry import part_workers
from pyskopeo.registry.part_workers import PartWorkers
from pyskopeo.registry.range_hosts import HOSTS
from pyskopeo.registry.shared_parts import SharedParts
from pyskopeo.streams.byte_streams import PartSink

pytestmark = pytest.mark.anyio
SIZE = 1_000_000
RANGES = Ranges(parts=4, size=10_000, least=0)


class Endpoint:
    """Answers no request, and counts them."""

    retry, name, range_host = Retry(), "registry.example/a", "parts.example"

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    async def request_blob(
        self, descriptor: Descriptor, offset: int, what: str, until: int | None = None
    ) -> Response:
        raise NotImplementedError

    async def request_part(self, descriptor: Descriptor, start: int, end: int, etag: str, what: str) -> Response:
        self.asked.append((start, end))
        raise ConnectionFailed("no answer")


class Streamed:
    """A blob whose stream comes from one endpoint."""

    descriptor = Descriptor("", Digest.of(b""), SIZE)

    def __init__(self) -> None:
        self.endpoint = Endpoint()
        self.report: Report = ignore

    def etag(self, endpoint: object) -> str:
        return ""


class Nowhere(PartSink):
    """Takes nothing."""

    kept, parts = 0, ()

    def write(self, buffer: memoryview) -> None:
        raise NotImplementedError

    restart = read_at = write_at = part_written = skip_to = write  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_workers, "_PERIOD", 0.02)
    HOSTS.clear()


async def asked(waited: Callable[[float], float], *, received: int = 1000) -> list[tuple[int, int]]:
    """What is requested in half a second, while the stream receives so many bytes every 10 ms."""
    blob = Streamed()
    parts = SharedParts(SIZE, RANGES, Nowhere(), 0)
    workers = PartWorkers(parts, blob, RANGES, waited)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run)
        for _ in range(50):
            await anyio.sleep(0.01)
            with parts.changed:
                parts.schedule.claim_stream(received)
                parts.schedule.advance(received, fetched=True)
        tasks.cancel_scope.cancel()
    assert HOSTS["parts.example"].connections == 0
    return blob.endpoint.asked


async def test_a_stream_that_waits_for_its_connection() -> None:
    """A failure is not tried again before the stream has received a mebibyte."""
    (part,) = await asked(lambda now: now)
    assert part[0] % RANGES.size == 0
    assert part[1] - part[0] == RANGES.size


async def test_a_stream_that_keeps_its_processor_busy() -> None:
    """It waits for a third of its time only: another connection would wait for the hash."""
    assert await asked(lambda now: now / 3) == []


async def test_a_stream_that_stalls() -> None:
    """Its own time limit is for that, and its retries."""
    assert await asked(lambda now: now, received=0) == []


async def test_busy_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(seconds: float) -> bool:
        await anyio.sleep(seconds)
        return False

    monkeypatch.setattr(part_workers, "processors_idle", busy)
    assert await asked(lambda now: now) == []


async def test_a_host_that_does_not_honour_ranges() -> None:
    HOSTS["parts.example"].refused = "it sent the whole blob"
    assert await asked(lambda now: now) == []
