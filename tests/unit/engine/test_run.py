"""Carrying out a plan, between two ends that exist in memory only."""

from __future__ import annotations

import anyio
import pytest

from pyskopeo.engine.run import carry_out, make_plan
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import InvalidInput, NotFound, PyskopeoError
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
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
from pyskopeo.streams.progress import Progress
from pyskopeo.streams.pump import Blob
from tests.support.images import build
from tests.support.memory import AMD64, Destination, Source

pytestmark = pytest.mark.anyio


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
        # What is decompressed on the way is compared with the configuration, which is therefore read first.
        config = plan.blobs[-1]
        expected = [config, *plan.blobs[:-1]] if ordered else sorted(plan.blobs, key=lambda blob: -blob.size)
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
