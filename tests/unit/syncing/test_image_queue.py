"""The order of images while registries allow no requests."""

from __future__ import annotations

from datetime import datetime

import pytest

from pyskopeo.access import Access
from pyskopeo.errors import RegistryError
from pyskopeo.http.request_quota import RequestQuotas
from pyskopeo.syncing.image_queue import ImageQueue, registries_of_image
from pyskopeo.syncing.pauses import describe_pause
from pyskopeo.syncing.sync_request import ImageGroup, LogMessage, SyncEvent, SyncImage

pytestmark = pytest.mark.anyio
SPENT = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0", "ratelimit-reset": "600"}


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0
        self.quotas = RequestQuotas(lambda: self.now)
        self.said: list[SyncEvent] = []

    def queue(self, *names: str, waits: bool = True) -> ImageQueue:
        images = [SyncImage(f"docker://{name}", "dir:out") for name in names]
        group = ImageGroup(tuple(images), Access.from_environ({}))
        items = ((group, number, image) for number, image in enumerate(images, 1))
        return ImageQueue(items, self.quotas, self.said.append, waits=waits)


async def taken(queue: ImageQueue) -> str:
    one = await queue.next()
    assert one is not None
    return one[2].source.removeprefix("docker://")


async def test_images_of_other_registries_come_first() -> None:
    clock = Clock()
    queue = clock.queue("a.example/x:1", "a.example/x:2", "b.example/y:1", "a.example/x:3", "b.example/y:2")
    first = await queue.next()
    assert first is not None
    clock.quotas.note("a.example", 429, SPENT)
    assert queue.defer(first)
    assert [await taken(queue) for _ in range(2)] == ["b.example/y:1", "b.example/y:2"]
    (told,) = clock.said
    assert isinstance(told, LogMessage)
    assert told.text.startswith("a.example allows no more requests (limit: 100 requests in 6 h) until ")
    clock.now += 601
    assert sorted([await taken(queue) for _ in range(3)]) == ["a.example/x:1", "a.example/x:2", "a.example/x:3"]
    assert await queue.next() is None


async def test_an_image_of_a_registry_that_allows_requests_is_not_taken_back() -> None:
    clock = Clock()
    queue = clock.queue("a.example/x:1")
    one = await queue.next()
    assert one is not None
    assert not queue.defer(one)


async def test_without_waiting_images_come_in_order() -> None:
    clock = Clock()
    clock.quotas.note("a.example", 429, SPENT)
    queue = clock.queue("a.example/x:1", "b.example/y:1", waits=False)
    one = await queue.next()
    assert one is not None
    assert not queue.defer(one)
    error = queue.explained(one, RegistryError("refused", status=429))
    assert str(error).startswith("refused; a.example allows no more requests")
    assert await taken(queue) == "b.example/y:1"
    assert await queue.next() is None


@pytest.mark.parametrize(
    ("source", "destination", "found"),
    [
        ("docker://alpine:3", "dir:out", ("docker.io",)),
        ("docker://team/app:3", "docker://h.example:5000/a:1", ("docker.io", "h.example:5000")),
        ("oci:a:b", "docker://localhost/a:1", ("localhost",)),
        ("dir:docker://x", "oci:a:b", ()),
    ],
)
def test_registries(source: str, destination: str, found: tuple[str, ...]) -> None:
    assert registries_of_image(SyncImage(source, destination)) == found


def test_the_day_is_named_if_it_is_another() -> None:
    def now() -> datetime:
        return datetime(2026, 5, 1, 23, 0, 0)  # noqa: DTZ001 - the time of this machine is meant

    quotas = RequestQuotas()
    assert describe_pause("h", 60.0, quotas, now) == "h allows no more requests until 23:01:00"
    assert describe_pause("h", 7200.0, quotas, now) == "h allows no more requests until 2026-05-02 01:00:00"
