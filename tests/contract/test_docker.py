"""``docker:`` keeps the laws of every transport that can be written to; the place is a registry, not a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo import Access, Placement
from pyskopeo.engine import run as engine
from pyskopeo.engine.plan import DEFAULT_FORM
from pyskopeo.engine.run import CopyOptions
from pyskopeo.errors import ContentMismatch, DestinationRefused, NetworkError, NotFound, PyskopeoError, Unsupported
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import BlobFinished, BlobStarted, CopyFinished, CopyPlanned, Event, ManifestWritten, Warned
from pyskopeo.streams.memory_blob import in_memory
from pyskopeo.streams.progress import uncounted
from tests.contract.places import AMD64, EVERYTHING, PLACES, Place
from tests.contract.reading import insecure, layout, read_layers
from tests.support.access import access_for, networked
from tests.support.faults import Cut, Delay, Drip, Drop, Flip, Refuse, Short
from tests.support.images import KINDS, BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path
from tests.support.processes import wait_until
from tests.support.publishing import Push
from tests.support.simulator import Simulator
from tests.support.upload_faults import DripUpload

pytestmark = pytest.mark.anyio
EXACT = pyskopeo.Form(preserve_digests=True)


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return access_for(tmp_path)


def check(registry: Simulator) -> None:
    """Nothing is half there: no upload is open, and whatever has a name is complete."""
    assert registry.open_uploads == ()
    assert registry.incomplete == []


async def is_there(name: str, image: BuiltImage, access: Access) -> None:
    """Read back by the library itself, it is ``image`` to the byte."""
    async with pyskopeo.open_source(name, access) as source:
        waiting = [await source.manifest()]
        assert waiting[0].raw == image.root.raw
        count = 0
        while waiting:
            manifest = waiting.pop()
            count += 1
            waiting += [await source.manifest(child) for child in manifest.manifests]
            for blob in () if manifest.is_index else manifest.blobs:
                assert await source.blob(blob).read(10_000_000) == image.blobs[str(blob.digest)]
    assert count == len(image.manifests)


class TestRoundTrip:
    @pytest.mark.parametrize("kind", KINDS)
    async def test_what_goes_in_comes_out(
        self, kind: str, registry: Simulator, access: Access, tmp_path: Path
    ) -> None:
        image = build(kind)
        digest = await pyskopeo.copy(
            layout(image, tmp_path), registry.name(), selection=EVERYTHING, form=EXACT, destination_access=access
        )
        assert str(digest) == image.digest
        await is_there(registry.name(), image, access)
        check(registry)

    @pytest.mark.parametrize("kind", ["oci-index", "docker-list", "oci-index-attested", "index-without-platform"])
    async def test_one_image_of_many(self, kind: str, registry: Simulator, access: Access, tmp_path: Path) -> None:
        image = build(kind)
        await pyskopeo.copy(
            layout(image, tmp_path), registry.name(), selection=AMD64, form=EXACT, destination_access=access
        )
        stored, child = registry.manifest(), image.child(0)
        assert stored is not None
        assert stored.raw == child.raw
        assert set(registry.blobs()) == {image.config_digest(child.digest), *image.layer_digests(child.digest)}

    @pytest.mark.parametrize("through", [p for p in PLACES if p.in_files], ids=lambda place: place.transport)
    async def test_there_and_back_by_every_transport(
        self, through: Place, registry: Simulator, access: Access, tmp_path: Path
    ) -> None:
        image = build("docker-repeated")
        there, back = tmp_path / "there", tmp_path / "back"
        there.mkdir()
        back.mkdir()
        await pyskopeo.copy(layout(image, tmp_path), through.at(there), form=EXACT)
        await pyskopeo.copy(through.at(there), registry.name(), form=EXACT, destination_access=access)
        check(registry)
        if through.bytes_kept:
            await is_there(registry.name(), image, access)
        await pyskopeo.copy(registry.name(), through.at(back), form=EXACT, source_access=access)
        if not through.bytes_kept:
            await read_layers(through.at(back), image)

    async def test_from_a_registry(self, registry: Simulator, access: Access) -> None:
        image, events = build("oci"), list[Event]()
        with Simulator(image) as source:
            digest = await pyskopeo.copy(
                source.name(), registry.name(), form=EXACT, source_access=access, destination_access=access,
                report=events.append,
            )  # fmt: skip
        assert str(digest) == image.digest
        await is_there(registry.name(), image, access)
        assert not [event for event in events if isinstance(event, Warned)]
        planned, finished = (next(e for e in events if isinstance(e, kind)) for kind in (CopyPlanned, CopyFinished))
        assert isinstance(planned, CopyPlanned)
        assert isinstance(finished, CopyFinished)
        assert finished is events[-1]
        assert planned.total == finished.moved == sum(map(len, image.blobs.values()))
        for kind in (BlobStarted, BlobFinished):
            assert sorted(str(e.digest) for e in events if isinstance(e, kind)) == sorted(image.blobs)
        assert [(str(e.digest), e.root) for e in events if isinstance(e, ManifestWritten)] == [(image.digest, True)]


class TestAgain:
    async def test_a_second_copy_moves_nothing(self, registry: Simulator, access: Access, tmp_path: Path) -> None:
        image = build("oci-index")
        push = Push(registry, image, tmp_path, access)
        await push.run()
        push.forget()
        await push.run()
        assert push.sent == 0
        assert {request.method for request in registry.requests} == {"HEAD"}
        finished = next(event for event in push.events if isinstance(event, CopyFinished))
        assert finished.moved == 0

    async def test_blobs_that_are_there_are_present(self, registry: Simulator, access: Access, tmp_path: Path) -> None:
        push = Push(registry, build("oci"), tmp_path, access)
        await push.run()
        registry.store.remove_manifest("test/image", push.image.digest)
        push.forget()
        await push.run()
        push.check_there()
        assert push.sent == 0
        assert set(push.placements.values()) == {"present"}

    async def test_another_image_takes_its_place(self, registry: Simulator, access: Access, tmp_path: Path) -> None:
        for kind in ("oci-history", "oci"):
            folder = tmp_path / kind
            folder.mkdir()
            await pyskopeo.copy(layout(build(kind), folder), registry.name(), destination_access=access)
        await is_there(registry.name(), build("oci"), access)
        name = f"docker://{registry.host}/test/image@{build('oci-history').digest}"
        await is_there(name, build("oci-history"), access)


class TestTampered:
    @pytest.mark.parametrize("which", ["config", "layer"])
    @pytest.mark.parametrize("fault", [Flip(0), Flip(-1), Short(), Refuse(404), Cut(0)], ids=lambda f: type(f).__name__)
    async def test_nothing_is_named(
        self, fault: Flip, which: str, registry: Simulator, access: Access, tmp_path: Path
    ) -> None:
        image = build("oci")
        registry.add(build("artifact"), "test/image", "latest")
        before = dict(registry.store.manifests("test/image"))
        digest = image.config_digest() if which == "config" else image.layer_digests()[0]
        with Simulator(image) as source:
            source.on_blob(digest, fault)
            with pytest.raises((ContentMismatch, NetworkError)):
                await pyskopeo.copy(
                    source.name(), registry.name(), source_access=insecure(), destination_access=access
                )
        assert registry.store.manifests("test/image") == before
        assert digest not in registry.blobs()
        check(registry)

    async def test_in_a_file(self, registry: Simulator, access: Access, tmp_path: Path) -> None:
        image = build("oci")
        source = layout(image, tmp_path)
        path = blob_path(tmp_path / "source", image.layer_digests()[1])
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(ContentMismatch):
            await pyskopeo.copy(source, registry.name(), destination_access=access)
        assert registry.manifest() is None
        check(registry)

    async def test_a_manifest(self, registry: Simulator, access: Access) -> None:
        image = build("oci-index")
        with Simulator(image) as source:
            source.on_manifest(image.child(0).digest, Flip(5))
            with pytest.raises(ContentMismatch):
                await pyskopeo.copy(
                    source.name(), registry.name(), selection=EVERYTHING,
                    source_access=insecure(), destination_access=access,
                )  # fmt: skip
        assert registry.store.repositories() == ()
        assert not [request for request in registry.requests if request.method not in ("HEAD", "GET")]


class TestCancelled:
    @pytest.mark.parametrize("slow", ["source", "registry"])
    async def test_no_upload_stays_open(self, slow: str, registry: Simulator, access: Access) -> None:
        layers = tuple(LayerSpec(f"large-{n}", size=1_500_000, compression="none") for n in range(3))
        image = build(ImageSpec("oci", layers=layers))
        with Simulator(image) as source:
            if slow == "source":
                source.on("/v2/*/blobs/*", Drip(60_000, 0.05))
            else:
                registry.on("/v2/*/uploads/*", DripUpload(60_000, 0.05), methods=("PUT", "PATCH"))
            with anyio.fail_after(10), anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:

                    async def cancel() -> None:
                        # In the middle of all: uploads are open, and bodies are under way.
                        while sum(r.method == "PUT" for r in registry.requests) < 2:
                            await anyio.sleep(0.01)
                        scope.cancel()

                    tasks.start_soon(cancel)
                    await pyskopeo.copy(
                        source.name(), registry.name(), source_access=access, destination_access=access
                    )
            assert scope.cancelled_caught
            check(registry)
            assert registry.manifest() is None
            source.heal()
            registry.heal()
            await pyskopeo.copy(source.name(), registry.name(), source_access=access, destination_access=access)
        await is_there(registry.name(), image, access)
        check(registry)

    async def test_the_first_failure_stops_the_others(self, registry: Simulator, access: Access) -> None:
        image = build(ImageSpec("oci", layers=tuple(LayerSpec(f"large-{n}", size=400_000) for n in range(3))))
        with Simulator(image) as source:
            first, *others = image.layer_digests()
            source.on_blob(first, Refuse(404), Delay(0.2))
            for digest in others:
                source.on_blob(digest, Drip(4_000, 0.1))  # ten seconds
            with anyio.fail_after(5), pytest.raises(NetworkError, match="404"):
                await pyskopeo.copy(source.name(), registry.name(), source_access=insecure(), destination_access=access)
        check(registry)
        assert registry.manifest() is None


def test_killed_in_the_middle_it_can_be_tried_again(registry: Simulator, tmp_path: Path) -> None:
    import subprocess
    import sys

    image = build(ImageSpec("oci", layers=(LayerSpec("large", size=2_000_000, compression="none"),)))
    registry.on("/v2/*/uploads/*", DripUpload(20_000, 0.05), methods=("PUT", "PATCH"), times=2)
    program = (
        "import sys, pyskopeo; from tests.contract.reading import insecure\n"
        "pyskopeo.run_copy(*sys.argv[1:], destination_access=insecure())"
    )
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", program, layout(image, tmp_path), registry.name()], cwd=root)
    try:
        assert wait_until(lambda: any(r.method in ("PUT", "PATCH") for r in registry.requests), 20)
    finally:
        child.kill()
        child.wait()
    assert registry.manifest() is None
    registry.heal()
    pyskopeo.run_copy(layout(image, tmp_path), registry.name(), destination_access=insecure())
    assert registry.incomplete == []
    assert dict(registry.blobs()) == dict(image.blobs)


class TestCommitIsLast:
    @pytest.mark.parametrize("announced", [True, False])
    async def test_nothing_has_its_name_before(
        self, announced: bool, registry: Simulator, access: Access, tmp_path: Path
    ) -> None:
        image = build("oci")
        async with (
            pyskopeo.open_source(layout(image, tmp_path)) as source,
            pyskopeo.open_destination(registry.name(), access) as destination,
        ):
            root = await source.manifest()
            if announced:
                await destination.begin(root)
            for blob in reversed(root.blobs):
                assert await destination.put_blob(source.blob(blob), uncounted) is Placement.WRITTEN
                assert registry.store.manifests("test/image") == {}
                with pytest.raises(NotFound):
                    async with pyskopeo.open_source(registry.name(), access) as there:
                        await there.manifest()
            assert not await destination.has_manifest(root)
            assert str(await destination.commit(root)) == image.digest
        await is_there(registry.name(), image, access)
        check(registry)

    async def test_without_it_there_is_no_image(self, registry: Simulator, access: Access, tmp_path: Path) -> None:
        async with (
            pyskopeo.open_source(layout(build("oci"), tmp_path)) as source,
            pyskopeo.open_destination(registry.name(), access) as destination,
        ):
            root = await source.manifest()
            for blob in root.blobs:
                await destination.put_blob(source.blob(blob), uncounted)
        assert registry.store.manifests("test/image") == {}
        check(registry)

    async def test_a_blob_put_twice_is_there_the_second_time(
        self, registry: Simulator, access: Access, tmp_path: Path
    ) -> None:
        async with (
            pyskopeo.open_source(layout(build("oci"), tmp_path)) as source,
            pyskopeo.open_destination(registry.name(), access) as destination,
        ):
            blob = source.blob((await source.manifest()).layers[0])
            assert not await destination.has_blob(blob.descriptor)
            assert await destination.put_blob(blob, uncounted) is Placement.WRITTEN
            assert await destination.has_blob(blob.descriptor)
            assert await destination.put_blob(blob, uncounted) is Placement.PRESENT

    async def test_a_refusal_is_raised_as_it_is_by_each_call(self, access: Access, tmp_path: Path) -> None:
        """Whoever uses the seam without the engine gets our errors, not groups of them."""
        with Simulator() as registry:
            registry.on("/v2/*", Drop(), methods=("HEAD",))  # an error response would count as no
            registry.on("/v2/*", Refuse(400), methods=("POST", "PUT"))
            async with (
                pyskopeo.open_source(layout(build("oci"), tmp_path)) as source,
                pyskopeo.open_destination(registry.name(), access) as destination,
            ):
                root = await source.manifest()
                with pytest.raises(PyskopeoError):
                    await destination.begin(root)
                with pytest.raises(PyskopeoError):
                    await destination.put_blob(source.blob(root.blobs[0]), uncounted)
                with pytest.raises(PyskopeoError):
                    await destination.commit(root)


async def foresee(
    source: str, destination: str, access: Access, form: pyskopeo.Form = DEFAULT_FORM
) -> tuple[pyskopeo.Plan, Mapping[Digest, Placement]]:
    """What a dry run of `pyskopeo copy` shows: the plan, and what would become of each blob."""
    result = await engine.copy(
        pyskopeo.parse_image_name(source),
        pyskopeo.parse_image_name(destination),
        CopyOptions(form=form, dry_run=True),
        source_access=access,
        destination_access=access,
    )
    return result.plan, result.placements


class TestDryRun:
    @pytest.mark.parametrize("kind", ["oci", "docker", "oci-index"])
    async def test_a_plan_touches_nothing(self, kind: str, registry: Simulator, access: Access, tmp_path: Path) -> None:
        plan, present = await pyskopeo.plan_copy(
            layout(build(kind), tmp_path), registry.name(), destination_access=access
        )
        assert present == frozenset()
        assert plan.total == sum(blob.size for blob in plan.all_blobs) > 0
        assert {request.method for request in registry.requests} <= {"HEAD", "GET"}
        assert registry.store.repositories() == ()

    async def test_it_says_what_is_there_already(self, registry: Simulator, access: Access, tmp_path: Path) -> None:
        source = layout(build("oci"), tmp_path)
        await pyskopeo.copy(source, registry.name(), destination_access=access)
        plan, present = await pyskopeo.plan_copy(source, registry.name(), destination_access=access)
        assert present == {blob.digest for blob in plan.blobs}

    async def test_what_lies_beside_it_is_to_be_mounted(
        self, registry: Simulator, access: Access, tmp_path: Path
    ) -> None:
        """And is; but nothing is mounted by asking."""
        image = build("oci")
        await pyskopeo.copy(layout(image, tmp_path), registry.name("a/b"), destination_access=access)
        names = registry.name("a/b"), registry.name("c/d")
        before = len(registry.requests)
        _, placements = await foresee(*names, access)
        assert {str(digest) for digest in placements} == set(image.blobs)
        assert set(placements.values()) == {Placement.MOUNTED}
        _, present = await pyskopeo.plan_copy(*names, source_access=access, destination_access=access)
        assert present == frozenset()
        assert {request.method for request in registry.requests[before:]} <= {"HEAD", "GET"}
        assert registry.store.repositories() == ("a/b",)

        events: list[Event] = []
        await pyskopeo.copy(*names, report=events.append, source_access=access, destination_access=access)
        assert {event.placement for event in events if isinstance(event, BlobFinished)} == {Placement.MOUNTED}
        _, placements = await foresee(*names, access)
        assert set(placements.values()) == {Placement.PRESENT}
        # From another registry, or the same under another name, all is sent.
        _, placements = await foresee(names[0], names[1].replace("127.0.0.1", "localhost"), access)
        assert Placement.MOUNTED not in placements.values()

    @pytest.mark.parametrize(
        ("form", "mounted"), [(pyskopeo.Form("oci"), True), (pyskopeo.Form("oci", compression="zstd"), False)]
    )
    async def test_what_is_made_anew_is_not(
        self, form: pyskopeo.Form, mounted: bool, registry: Simulator, access: Access, tmp_path: Path
    ) -> None:
        """The configuration of a manifest of another type, and layers in another compression."""
        image = build("docker")
        await pyskopeo.copy(layout(image, tmp_path), registry.name("a/b"), form=EXACT, destination_access=access)
        plan, placements = await foresee(registry.name("a/b"), registry.name("c/d"), access, form)
        layers = {Digest.parse(digest) for digest in image.layer_digests()}
        assert {placements[digest] for digest in layers} == {Placement.MOUNTED if mounted else Placement.WRITTEN}
        assert {placements[blob.digest] for blob in plan.all_blobs if blob.digest not in layers} <= {Placement.WRITTEN}


class TestRefused:
    async def test_a_blob_of_a_digest_nobody_can_check(self, registry: Simulator, access: Access) -> None:
        blob = in_memory(Descriptor("", Digest("md5", "d41d8cd98f00b204e9800998ecf8427e"), 0), b"")
        async with pyskopeo.open_destination(registry.name(), access) as destination:
            with pytest.raises(Unsupported, match="cannot be verified"):
                await destination.put_blob(blob, uncounted)
        check(registry)

    async def test_a_digest_it_is_not(self, registry: Simulator, access: Access, tmp_path: Path) -> None:
        name = f"docker://{registry.host}/a/b@{build('docker').digest}"
        with pytest.raises(DestinationRefused, match=build("oci").digest):
            await pyskopeo.copy(layout(build("oci"), tmp_path), name, destination_access=access)
        assert registry.store.repositories() == ()

    async def test_nobody_is_there(self, access: Access, tmp_path: Path) -> None:
        with Simulator() as registry:
            name = registry.name()
        access = networked(access, retry=pyskopeo.Retry(times=0))
        with pytest.raises(NetworkError, match=f"{registry.host}") as caught:
            await pyskopeo.copy(layout(build("oci"), tmp_path), name, destination_access=access)
        assert "\n" not in str(caught.value)
