"""Carrying out a plan, between two ends that exist in memory only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from pyskopeo.engine.graph import find_image, read_graph
from pyskopeo.engine.plan import Form
from pyskopeo.engine.planner import decide
from pyskopeo.engine.run import carry_out, make_plan
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import InvalidInput, NoMatchingPlatform, NotFound, PyskopeoError, Unsupported
from pyskopeo.interfaces import Accepts, Blob, Fill, ImageDestination, ImageSource
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    Converted,
    CopyFinished,
    CopyPlanned,
    Event,
    ManifestWritten,
    Placement,
)
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.platform import Platform
from pyskopeo.streams.pump import BlobReader, MemoryReader, MemorySink, Progress
from tests.support.images import BuiltImage, ImageSpec, IndexSpec, PlatformSpec, build

pytestmark = pytest.mark.anyio
AMD64 = Platform("linux", "amd64")
OCI = Accepts(frozenset({mediatype.OCI_MANIFEST, mediatype.OCI_INDEX}))


class Source(ImageSource):
    """Gives an image's manifests and blobs, and notes what was asked for."""

    def __init__(self, image: BuiltImage) -> None:
        self.image = image
        self.manifests: list[str] = []
        self.opened: list[str] = []
        self.at_once = self.most_at_once = 0

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        digest = self.image.digest if descriptor is None else str(descriptor.digest)
        self.manifests.append(digest)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await anyio.sleep(0.01)
        self.at_once -= 1
        return Manifest.parse(self.image.manifests[digest].raw, expected=Digest.parse(digest))

    def blob(self, descriptor: Descriptor) -> Blob:
        @asynccontextmanager
        async def opened() -> AsyncIterator[BlobReader]:
            self.opened.append(str(descriptor.digest))
            yield MemoryReader(self.image.blobs[str(descriptor.digest)])

        return Blob(descriptor, opened)


Put = Callable[[Blob], Awaitable[None]]


class Destination(ImageDestination):
    """Keeps everything, and notes the order in which it came."""

    def __init__(self, accepts: Accepts = OCI, before: Put | None = None) -> None:
        self.accepts, self._before = accepts, before
        self.log: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.at_once = self.most_at_once = 0

    async def begin(self, root: Manifest) -> None:
        self.log.append("begin")

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self._before is not None:
                await self._before(blob)
            sink = MemorySink()
            await blob.copy_to(sink, progress)
        finally:
            self.at_once -= 1
        self.log.append("blob")
        self.blobs[str(blob.descriptor.digest)] = bytes(sink.content)
        return Placement.WRITTEN

    async def has_manifest(self, manifest: Manifest) -> bool:
        return f"manifest {manifest.digest}" in self.log

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        sink = MemorySink()
        descriptor = await fill(sink)
        self.blobs[str(descriptor.digest)] = bytes(sink.content)
        return descriptor, Placement.WRITTEN

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return str(descriptor.digest) in self.blobs

    async def put_manifest(self, manifest: Manifest) -> None:
        self.log.append(f"manifest {manifest.digest}")

    async def commit(self, root: Manifest) -> Digest:
        self.log.append("commit")
        return root.digest


def nested(*architectures: tuple[str, ...]) -> BuiltImage:
    """An index of indexes without platforms, with these images in each."""
    indexes = (IndexSpec(tuple(ImageSpec(platform=PlatformSpec(a)) for a in names)) for names in architectures)
    return build(IndexSpec(tuple(indexes)))


class TestFindImage:
    async def test_in_the_second_of_two_indexes(self) -> None:
        source = Source(nested(("amd64", "arm64"), ("s390x", "ppc64le")))
        found = await find_image(source, await source.manifest(), Platform("linux", "ppc64le"))
        assert found.config is not None
        assert b"ppc64le" in source.image.blobs[str(found.config.digest)]

    async def test_nowhere_says_what_there_is_everywhere(self) -> None:
        source = Source(nested(("amd64", "arm64"), ("s390x",)))
        with pytest.raises(NoMatchingPlatform, match="there is: linux/amd64, linux/arm64, linux/s390x"):
            await find_image(source, await source.manifest(), Platform("linux", "386"))

    async def test_an_index_named_twice_is_read_once(self) -> None:
        source = Source(nested(("arm64",), ("arm64",)))
        with pytest.raises(NoMatchingPlatform):
            await find_image(source, await source.manifest(), AMD64)
        assert len(source.manifests) == len(set(source.manifests)) == 2

    async def test_an_image_is_itself(self) -> None:
        source = Source(build("oci"))
        root = await source.manifest()
        assert await find_image(source, root, Platform("windows", "386")) is root


class TestReadGraph:
    async def test_manifests_are_read_once_and_several_at_a_time(self) -> None:
        source = Source(build("oci-index-attested"))
        graph = await read_graph(source, Selection(AMD64, "all"), OCI)
        assert {str(digest) for digest in graph.children} == set(source.image.manifests) - {source.image.digest}
        assert len(source.manifests) == len(set(source.manifests))
        assert 2 < source.most_at_once <= 8
        assert source.opened == []

    async def test_configurations_only_where_they_are_converted(self) -> None:
        source = Source(build("docker-list"))
        graph = await read_graph(source, Selection(AMD64, "all"), OCI)
        assert len(graph.configs) == len(source.opened) == 6
        for options in (Form(preserve_digests=True), Form()):
            source.opened.clear()
            accepts = OCI if options.preserve_digests else Accepts(mediatype.MANIFESTS)
            assert (await read_graph(source, Selection(AMD64, "all"), accepts, options)).configs == {}
            assert source.opened == []

    async def test_what_the_destination_does_not_take_is_no_fault_of_the_source(self) -> None:
        source = Source(build("docker"))
        graph = await read_graph(source, Selection(AMD64), OCI, Form("v2s2"))
        assert graph.configs == {}
        assert source.opened == []
        with pytest.raises(Unsupported, match="takes nothing of type"):
            decide(graph, OCI, Form("v2s2"))

    async def test_only_what_is_wanted_is_read(self) -> None:
        source = Source(build("oci-index"))
        await read_graph(source, Selection(AMD64, "index-only"), OCI)
        assert source.manifests == [source.image.digest]
        await read_graph(source, Selection(AMD64), OCI)
        assert source.manifests[1:] == [source.image.digest, source.image.child(0).digest]

    async def test_what_fails_is_raised_as_it_is(self) -> None:
        image = build("oci-index")

        class Broken(Source):
            async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
                if descriptor is not None and str(descriptor.digest) == image.child(3).digest:
                    raise NotFound("not here")
                return await super().manifest(descriptor)

        with pytest.raises(NotFound, match="not here"):
            await read_graph(Broken(image), Selection(AMD64, "all"), OCI)


class TestCarryOut:
    @pytest.mark.parametrize("kind", ["oci", "docker", "nested-index", "docker-list", "artifact", "oci-no-layers"])
    async def test_blobs_then_manifests_then_the_root(self, kind: str) -> None:
        source, destination, events = Source(build(kind)), Destination(), list[Event]()
        plan = await make_plan(source, destination, Selection(AMD64, "all"))
        digest = await carry_out(plan, source, destination, report=events.append)
        assert digest == plan.root.digest
        blobs = len(plan.all_blobs)
        assert destination.log[: blobs + 1] == ["begin", *["blob"] * blobs]
        names = [f"manifest {manifest.digest}" for manifest in plan.manifests]
        written = destination.log[blobs + 1 : -1]
        assert sorted(written) == sorted(names)
        # Images in whatever order, then the lists that name them, innermost first.
        images = sum(not manifest.is_index for manifest in plan.manifests)
        lists = [f"manifest {manifest.digest}" for manifest in plan.manifests if manifest.is_index]
        assert written[images:] == lists
        assert destination.log[-1] == "commit"
        assert destination.blobs == {
            **{str(blob.digest): source.image.blobs[str(blob.digest)] for blob in plan.blobs},
            **{str(descriptor.digest): content for descriptor, content in plan.contents},
        }
        kinds = [type(event) for event in events if not isinstance(event, BlobProgress)]
        head = [CopyPlanned, Converted] if kind.startswith("docker") else [CopyPlanned]
        assert kinds[: len(head)] == head
        assert kinds.count(BlobStarted) == kinds.count(BlobFinished) == len(plan.all_blobs)
        assert kinds[-1] is CopyFinished
        assert kinds.count(ManifestWritten) == len(plan.manifests) + 1
        (end,) = (event for event in events if isinstance(event, CopyFinished))
        assert end.moved == plan.total

    @pytest.mark.parametrize("jobs", [1, 3])
    async def test_so_many_at_once_and_no_more(self, jobs: int) -> None:
        async def wait(blob: Blob) -> None:
            await anyio.sleep(0.01)

        source, destination = Source(build("oci-index")), Destination(before=wait)
        plan = await make_plan(source, destination, Selection(AMD64, "all"))
        await carry_out(plan, source, destination, jobs=jobs)
        assert destination.most_at_once == jobs

    async def test_no_jobs_at_all_would_move_nothing(self) -> None:
        source, destination = Source(build("oci")), Destination()
        plan = await make_plan(source, destination, Selection(AMD64))
        with pytest.raises(InvalidInput, match="want at least 1"):
            await carry_out(plan, source, destination, jobs=0)
        assert destination.log == []

    @pytest.mark.parametrize("ordered", [True, False])
    async def test_the_largest_first_unless_the_order_counts(self, ordered: bool) -> None:
        source = Source(build("docker-history"))
        destination = Destination(Accepts(mediatype.MANIFESTS, ordered=ordered))
        plan = await make_plan(source, destination, Selection(AMD64))
        await carry_out(plan, source, destination, jobs=1)
        expected = plan.blobs if ordered else sorted(plan.blobs, key=lambda blob: -blob.size)
        assert source.opened == [str(blob.digest) for blob in expected]

    async def test_the_first_failure_stops_the_others_and_nothing_is_committed(self) -> None:
        image = build("oci")
        failing, cancelled = image.layer_digests()[1], list[str]()

        async def fail_or_wait(blob: Blob) -> None:
            digest = str(blob.descriptor.digest)
            if digest == failing:
                await anyio.sleep(0.01)
                raise NotFound("gone")
            try:
                await anyio.sleep(30)
            except anyio.get_cancelled_exc_class():
                cancelled.append(digest)
                raise

        source, destination = Source(image), Destination(before=fail_or_wait)
        plan = await make_plan(source, destination, Selection(AMD64))
        with anyio.fail_after(5), pytest.raises(NotFound, match="gone"):
            await carry_out(plan, source, destination)
        assert sorted(cancelled) == sorted(set(image.blobs) - {failing})
        assert destination.log == ["begin"]

    async def test_of_several_failures_ours_is_told(self) -> None:
        async def fail(blob: Blob) -> None:
            raise NotFound("ours") if blob.descriptor.media_type == mediatype.OCI_CONFIG else ZeroDivisionError

        source, destination = Source(build("oci")), Destination(before=fail)
        plan = await make_plan(source, destination, Selection(AMD64))
        with pytest.raises(PyskopeoError, match="ours"):
            await carry_out(plan, source, destination)

    async def test_cancelling_is_cancelling(self) -> None:
        async def wait(blob: Blob) -> None:
            await anyio.sleep(30)

        source, destination = Source(build("oci")), Destination(before=wait)
        plan = await make_plan(source, destination, Selection(AMD64))
        with anyio.move_on_after(0.05) as scope:
            await carry_out(plan, source, destination)
        assert scope.cancelled_caught
        assert destination.log == ["begin"]

    async def test_progress_is_told_while_it_goes_on(self) -> None:
        source, events = Source(build("oci")), list[Event]()

        class Slow(Destination):
            async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
                progress(10)
                await anyio.sleep(0.5)
                progress(blob.descriptor.size - 10)
                return Placement.WRITTEN

        destination = Slow()
        plan = await make_plan(source, destination, Selection(AMD64))
        await carry_out(plan, source, destination, report=events.append)
        told = {event.done for event in events if isinstance(event, BlobProgress)}
        assert told == {10}  # a number that did not change is not told again
        assert sum(isinstance(event, BlobProgress) for event in events) == len(plan.blobs)
