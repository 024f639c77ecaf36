"""What the images of a run share: limits, locks, and where each blob has been put."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pyskopeo.access import Access
from pyskopeo.api.images import open_destination
from pyskopeo.engine.destination_wrapper import DestinationWrapper
from pyskopeo.errors import ConnectionFailed
from pyskopeo.interfaces import Accepts, Fill, ImageDestination
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Placement
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.reference import Reference
from pyskopeo.streams.byte_streams import BlobReader
from pyskopeo.streams.locations import Location, RegistryBlob
from pyskopeo.streams.progress import Progress, uncounted
from pyskopeo.streams.pump import Blob, MemoryReader
from pyskopeo.syncing.shared_blobs import SharedBlobs
from tests.support.images import build

pytestmark = pytest.mark.anyio


def descriptor(number: int, size: int = 10) -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(b"%d" % number), size)


def blob(described: Descriptor) -> Blob:
    @asynccontextmanager
    async def never(offset: int) -> AsyncIterator[BlobReader]:
        raise AssertionError("is not to be read")
        yield

    return Blob(described, never)


class Slow(ImageDestination):
    """A destination that takes its time, and counts who is there at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.put: list[Blob] = []
        self.fails = 0

    accepts = Accepts(frozenset())

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        from anyio import sleep

        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await sleep(0.01)
            if self.fails:
                self.fails -= 1
                raise ConnectionFailed("cut")
        finally:
            self.now -= 1
        self.put.append(blob)
        return Placement.WRITTEN

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        return descriptor(1), Placement.WRITTEN

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return False

    async def has_manifest(self, manifest: Manifest) -> bool:
        return False

    async def put_manifest(self, manifest: Manifest) -> None: ...

    async def commit(self, root: Manifest) -> Digest:
        return root.digest


class At(DestinationWrapper):
    """The same destination, by the name of a repository."""

    def __init__(self, destination: ImageDestination, name: str) -> None:
        super().__init__(destination)
        reference = Reference.parse(name)
        self._here = RegistryBlob(reference.api_host, reference.repository)

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        return (self._here,)


async def put_all(destinations: list[ImageDestination], blobs: list[Descriptor]) -> list[Placement]:
    from anyio import create_task_group

    placed: list[Placement] = []

    async def one(destination: ImageDestination, described: Descriptor) -> None:
        placed.append(await destination.put_blob(blob(described), uncounted))

    async with create_task_group() as tasks:
        for destination in destinations:
            for described in blobs:
                tasks.start_soon(one, destination, described)
    return placed


@pytest.mark.parametrize(("size", "most"), [(100, 18), (5_000_000, 6)])
async def test_however_many_images_there_are_so_many_blobs_move(size: int, most: int) -> None:
    slow, shared = Slow(), SharedBlobs()
    images: list[ImageDestination] = [shared.wrap(At(slow, f"h.example/r{n}")) for n in range(4)]
    await put_all(images, [descriptor(n, size) for n in range(20)])
    assert slow.most == most
    assert len(slow.put) == 80


async def test_a_repository_gets_a_blob_once_and_the_others_hear_of_it() -> None:
    slow, shared = Slow(), SharedBlobs()
    first = [shared.wrap(At(slow, f"h.example/a:{tag}")) for tag in (1, 2, 3)]
    placed = await put_all([*first], [descriptor(0)])
    assert sorted(p.value for p in placed) == ["present", "present", "written"]
    other = shared.wrap(At(slow, "h.example/b"))
    await other.put_blob(blob(descriptor(0)), uncounted)
    assert [b.locations for b in slow.put] == [(), (RegistryBlob("h.example", "a"),)]


async def test_who_waited_for_one_that_failed_takes_its_place() -> None:
    slow, shared = Slow(), SharedBlobs()
    slow.fails = 1
    images = [shared.wrap(At(slow, f"h.example/a:{tag}")) for tag in (1, 2)]
    with pytest.raises(ConnectionFailed):
        await images[0].put_blob(blob(descriptor(0)), uncounted)
    assert await images[1].put_blob(blob(descriptor(0)), uncounted) is Placement.WRITTEN


async def test_an_image_learns_how_many_of_its_blobs_wait() -> None:
    slow, shared = Slow(), SharedBlobs()
    counts: list[list[int]] = [[], []]
    images = [shared.wrap(At(slow, f"h.example/a:{n}"), counts[n].append) for n in range(2)]
    await put_all([*images], [descriptor(0)])
    assert sorted(counts) == [[], [1, 0]]
    counts[0].clear()
    # Of 30 small blobs, 18 are in transfer at once.
    other = shared.wrap(At(slow, "h.example/b"), counts[0].append)
    await put_all([other], [descriptor(n) for n in range(1, 31)])
    assert max(counts[0]) == 12
    assert counts[0][-1] == 0


async def test_an_image_that_is_cancelled_waits_no_longer() -> None:
    from anyio import create_task_group, wait_all_tasks_blocked

    slow, shared, counts = Slow(), SharedBlobs(), list[int]()
    image = shared.wrap(At(slow, "h.example/a"), counts.append)
    with shared.lock(descriptor(0).digest) as lock:
        async with lock, create_task_group() as tasks:
            tasks.start_soon(image.put_blob, blob(descriptor(0)), uncounted)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert counts == [1, 0]


def test_the_lock_of_a_blob_is_the_same_for_all_who_want_it_and_not_kept() -> None:
    shared, digest = SharedBlobs(), descriptor(0).digest
    with shared.lock(digest) as first:
        with shared.lock(digest) as second, shared.lock(descriptor(1).digest) as other:
            assert second is first
            assert other is not first
        with shared.lock(digest) as third:
            assert third is first
        assert len(shared._locks) == 1
    assert shared._locks == {}


async def test_what_was_made_on_the_way_is_known_too() -> None:
    slow, shared = Slow(), SharedBlobs()

    async def fill(sink: object) -> Descriptor:
        raise AssertionError

    await shared.wrap(At(slow, "h.example/a")).receive(fill)
    again = shared.wrap(At(slow, "h.example/a:2"))
    assert await again.put_blob(blob(descriptor(1)), uncounted) is Placement.PRESENT


async def test_directories_are_linked_while_one_is_under_way_and_after(tmp_path: Path) -> None:
    image, shared = build("oci"), SharedBlobs()
    data = image.config()
    described = Descriptor("application/json", Digest.of(data), len(data))
    opened = 0

    @asynccontextmanager
    async def read(offset: int) -> AsyncIterator[BlobReader]:
        nonlocal opened
        opened += 1
        yield MemoryReader(data, offset)

    source = Blob(described, read)
    root = Manifest.parse(image.root.raw)
    access = Access.from_environ({})
    async with open_destination(f"dir:{tmp_path}/a", access) as a:
        await shared.wrap(a).put_blob(source, uncounted)
        async with open_destination(f"dir:{tmp_path}/b", access) as b:
            await shared.wrap(b).put_blob(source, uncounted)
            await b.commit(root)
        await a.commit(root)
    async with open_destination(f"dir:{tmp_path}/c", access) as c:
        await shared.wrap(c).put_blob(source, uncounted)
        await c.commit(root)
    files = [tmp_path / name / described.digest.hex for name in "abc"]
    assert [file.read_bytes() for file in files] == [data] * 3
    assert len({file.stat().st_ino for file in files}) == 1
    assert opened == 1


async def test_a_directory_that_has_gone_is_no_hindrance(tmp_path: Path) -> None:
    shared, data = SharedBlobs(), b"content"
    described = Descriptor("application/json", Digest.of(data), len(data))

    @asynccontextmanager
    async def read(offset: int) -> AsyncIterator[BlobReader]:
        yield MemoryReader(data, offset)

    async with open_destination(f"dir:{tmp_path}/a", Access.from_environ({})) as a:
        await shared.wrap(a).put_blob(Blob(described, read), uncounted)
    assert not (tmp_path / "a").exists(), "it was not committed"
    root = Manifest.parse(build("oci").root.raw)
    async with open_destination(f"dir:{tmp_path}/b", Access.from_environ({})) as b:
        placed = await shared.wrap(b).put_blob(Blob(described, read), uncounted)
        await b.commit(root)
    assert placed is Placement.WRITTEN
    assert (tmp_path / "b" / described.digest.hex).read_bytes() == data
