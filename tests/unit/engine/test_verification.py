"""Images of any source are verified: concurrently, in bounded numbers, and without an end at the first fault."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from pyskopeo.engine.verification import ImageVerification, VerifyOptions
from pyskopeo.errors import ConnectionFailed, NotFound, PyskopeoError, RegistryError, StorageFailed
from pyskopeo.interfaces import ImageSource
from pyskopeo.model.descriptor import UNKNOWN_SIZE, Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.reachability import Reachability
from pyskopeo.model.verification import Fault, FaultKind
from pyskopeo.streams.byte_streams import BlobReader
from pyskopeo.streams.pump import Blob, MemoryReader
from tests.support.images import BuiltImage, build

pytestmark = pytest.mark.anyio


class Source(ImageSource):
    """An image in memory. ``errors`` are raised for some digests; ``highest`` is how many were open at a time."""

    def __init__(self, image: BuiltImage) -> None:
        self.content = dict(image.blobs) | {digest: one.raw for digest, one in image.manifests.items()}
        self.root = image.root
        self.errors: dict[str, PyskopeoError] = {}
        self.asked: list[str] = []
        self.open = self.highest = 0

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        digest = str(descriptor.digest) if descriptor else self.root.digest
        async with self._opened(digest):
            expected = descriptor.digest if descriptor else None
            return Manifest.parse(self.content[digest], content_type=descriptor.media_type if descriptor else "", expected=expected)

    def blob(self, descriptor: Descriptor) -> Blob:
        @asynccontextmanager
        async def opener(offset: int) -> AsyncIterator[BlobReader]:
            async with self._opened(str(descriptor.digest)):
                yield MemoryReader(self.content[str(descriptor.digest)][offset:])

        return Blob(descriptor, opener)

    async def blob_size(self, descriptor: Descriptor) -> int:
        return len(self.content[str(descriptor.digest)])

    @asynccontextmanager
    async def _opened(self, digest: str) -> AsyncIterator[None]:
        self.asked.append(digest)
        self.open += 1
        self.highest = max(self.highest, self.open)
        try:
            await anyio.sleep(0.001)
            if digest in self.errors:
                raise self.errors[digest]
            yield
        finally:
            self.open -= 1


async def verified(source: Source, options: VerifyOptions | None = None, **more: Any) -> ImageVerification:
    run = ImageVerification(source, Reachability(), options or VerifyOptions(deep=True), path_of=lambda d: f"file {d.digest.hex[:3]}", **more)
    run.add_image(await source.manifest(), "name")
    await run.run()
    return run


async def test_each_thing_is_read_once_and_few_at_a_time() -> None:
    image = build("oci-index-attested")
    source = Source(image)
    seen: list[tuple[int, int]] = []
    run = await verified(source, advance=lambda done, total: seen.append((done, total)))
    report = run.report("name")
    assert report.ok
    assert sorted(source.asked) == sorted({*image.blobs, *image.manifests})
    assert source.highest <= 24
    assert seen[-1] == (sum(map(len, image.blobs.values())),) * 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert (report.manifests, report.images) == (len(image.manifests), len(image.manifests) - 1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFound("none"), FaultKind.MISSING),
        (RegistryError("404", status=404), FaultKind.MISSING),
        (RegistryError("500", status=500), FaultKind.UNREADABLE),
        (ConnectionFailed("lost"), FaultKind.UNREADABLE),
        (StorageFailed("EIO"), FaultKind.UNREADABLE),
    ],
    ids=str,
)
@pytest.mark.parametrize("what", ["manifest", "config", "layer"])
async def test_errors_are_faults_and_end_nothing(what: str, error: PyskopeoError, kind: FaultKind) -> None:
    image = build("oci-index")
    child = image.child(0).digest
    digest = {"manifest": child, "config": image.config_digest(child), "layer": image.layer_digests(child)[0]}[what]
    source = Source(image)
    source.errors[digest] = error
    (fault,) = (await verified(source)).faults
    hint = "; --sparse accepts images of a list that were left out" if (kind, what) == (FaultKind.MISSING, "manifest") else ""
    assert (fault.kind, fault.what, str(fault.digest), fault.message) == (kind, what, digest, f"{error}{hint}")
    assert (fault.path, fault.needed_by) == (f"file {digest[7:10]}", ("name",))
    unread = {*image.layer_digests(child), image.config_digest(child)} if what == "manifest" else set()
    assert set(source.asked) >= {*image.blobs, *image.manifests} - unread


async def test_other_errors_are_raised() -> None:
    class Defect(Exception):
        pass

    source = Source(build("oci"))

    def fail(done: int, total: int) -> None:
        raise Defect

    with pytest.raises(Defect):
        await verified(source, advance=fail)


async def test_what_is_repaired_is_read_again() -> None:
    image = build("oci-index")
    child = image.child(0).digest
    source = Source(image)
    missing = (child, image.config_digest(child), image.layer_digests(child)[1])
    for digest in missing:
        source.errors[digest] = NotFound("none")
    calls: list[tuple[str, bool]] = []

    async def repair(fault: Fault, descriptor: Descriptor, is_manifest: bool) -> str:
        assert fault.digest == descriptor.digest
        calls.append((str(descriptor.digest), is_manifest))
        if str(descriptor.digest) == missing[2]:
            return "not here"
        del source.errors[str(descriptor.digest)]
        return ""

    run = await verified(source, repair=repair)
    assert sorted(calls) == sorted([(child, True), (missing[1], False), (missing[2], False)])
    assert [fault.message for fault in run.faults] == ["none; not here"]


def changed(image: BuiltImage, change: Callable[[dict[str, Any]], object]) -> Source:
    """An image whose root manifest is another document."""
    document = json.loads(image.root.raw)
    change(document)
    source = Source(image)
    raw = json.dumps(document).encode()
    digest = str(Digest.of(raw))
    source.content[digest] = raw
    source.root = replace(image.root, raw=raw, digest=digest)
    return source


async def test_content_that_is_wrong_itself_is_not_repaired() -> None:
    async def repair(fault: Fault, descriptor: Descriptor, is_manifest: bool) -> str:
        raise AssertionError(fault)

    image = build("oci")
    source = changed(image, lambda manifest: manifest["layers"][0].update(mediaType="application/vnd.oci.image.layer.v1.tar"))
    run = await verified(source, repair=repair)
    assert [(fault.kind, fault.message) for fault in run.faults] == [
        (FaultKind.MEDIA_TYPE, "is gzip, its media type says not compressed")
    ]


async def test_a_layer_of_unknown_size() -> None:
    """As those of schema 1: the source knows it."""
    image = build("oci")
    source, graph = Source(image), Reachability()
    digest = image.layer_digests()[0]
    graph.add_root(Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", Digest.parse(digest), UNKNOWN_SIZE), "x")
    run = ImageVerification(source, graph, VerifyOptions(), path_of=lambda d: "")
    await run.run()
    assert run.report("x").faults == ()
    assert run.report("x").size == len(image.blobs[digest])


async def test_it_can_be_cancelled() -> None:
    source = Source(build("oci-index"))
    with anyio.move_on_after(0.002) as scope:
        await verified(source)
    assert scope.cancelled_caught
    assert source.open == 0
