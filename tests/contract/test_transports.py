"""The laws every transport keeps. A new one gets a line in `places.PLACES` and is held to all of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo import Placement, Selection
from pyskopeo.errors import DestinationRefused, InvalidContent, NetworkError, Unsupported
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import BlobFinished, BlobStarted, CopyFinished, CopyPlanned, Event, ManifestWritten, Warned
from pyskopeo.model.platform import Platform
from pyskopeo.storage.partial_files import PARTIAL
from pyskopeo.streams.progress import uncounted
from tests.contract.places import (
    AMD64,
    EVERYTHING,
    PLACES,
    Place,
    check_nothing_half_written,
    check_whole,
    everything,
    writable,
)
from tests.contract.reading import insecure, layout, read_back, read_layers, see
from tests.support.faults import Cut, Drip, Flip, Refuse, Short
from tests.support.images import KINDS, BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path
from tests.support.processes import wait_until
from tests.support.pulling import ranges
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
SMALL = ("docker", "oci")


@pytest.fixture(params=PLACES, ids=lambda place: place.transport)
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.param
    return found


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The folder to copy into."""
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module", params=SMALL)
def registry(request: pytest.FixtureRequest) -> Iterator[tuple[Simulator, BuiltImage]]:
    image = build(request.param)
    with Simulator(image) as simulator:
        yield simulator, image


def each(fits: Callable[[Place], bool], kinds: Iterable[str] = ()) -> pytest.MarkDecorator:
    """The law is kept by the places that fit; with ``kinds``, for all they can hold of these."""
    places = [place for place in PLACES if fits(place)]
    if not kinds:
        return pytest.mark.parametrize("place", places, ids=[place.transport for place in places])
    pairs = [(place, kind) for place in places for kind in kinds if place.holds(kind)]
    return pytest.mark.parametrize(("place", "kind"), pairs, ids=[f"{p.transport}-{kind}" for p, kind in pairs])


def in_the_middle() -> BuiltImage:
    """An image large enough to be interrupted."""
    return build(ImageSpec("oci", layers=tuple(LayerSpec(f"large-{n}", size=400_000) for n in range(3))))


def test_every_transport_that_can_be_written_is_tested() -> None:
    # docker: is held to the same laws in a file of its own, over a registry.
    assert writable() == {place.transport for place in PLACES} | {"docker"}


class TestRoundTrip:
    @each(lambda place: True, KINDS)
    async def test_what_goes_in_comes_out(self, kind: str, place: Place, tmp_path: Path, there: Path) -> None:
        image = build(kind)
        digest = await pyskopeo.copy(
            layout(image, tmp_path), place.at(there), selection=EVERYTHING if place.indexes else AMD64, form=pyskopeo.Form(preserve_digests=True)
        )
        assert not [name for name in everything(there) if PARTIAL in name]
        if place.bytes_kept:
            assert str(digest) == image.digest
            await read_back(place.at(there), image)
        else:
            await read_layers(place.at(there), image)

    @pytest.mark.parametrize("kind", ["oci-index", "docker-list", "oci-index-attested", "index-without-platform"])
    async def test_one_image_of_many(self, kind: str, place: Place, tmp_path: Path, there: Path) -> None:
        image = build(kind)
        await pyskopeo.copy(layout(image, tmp_path), place.at(there), selection=AMD64, form=pyskopeo.Form(preserve_digests=True))
        child = image.child(0)
        if place.bytes_kept:
            async with pyskopeo.open_source(place.at(there)) as source:
                assert (await source.manifest()).raw == child.raw
        else:
            await read_layers(place.at(there), image, child.digest)

    async def test_one_image_of_a_nested_index(self, place: Place, tmp_path: Path, there: Path) -> None:
        image = build("nested-index")
        await pyskopeo.copy(
            layout(image, tmp_path), place.at(there), selection=Selection(Platform("linux", "arm64"))
        )
        async with pyskopeo.open_source(place.at(there)) as source:
            facts = await pyskopeo.inspect_image(source, Platform("linux", "arm64"))
        assert facts.architecture == "arm64"

    @pytest.mark.parametrize("through", PLACES, ids=lambda place: place.transport)
    async def test_from_every_transport_into_every_other(
        self, through: Place, place: Place, tmp_path: Path, there: Path
    ) -> None:
        image = build("docker-repeated")
        middle = tmp_path / "middle"
        middle.mkdir()
        await pyskopeo.copy(layout(image, tmp_path), through.at(middle), form=pyskopeo.Form(preserve_digests=True))
        before = everything(middle)
        await pyskopeo.copy(through.at(middle), place.at(there), form=pyskopeo.Form(preserve_digests=True))
        assert everything(middle) == before
        if through.bytes_kept and place.bytes_kept:
            await read_back(place.at(there), image)
        else:
            async with pyskopeo.open_source(place.at(there)) as source:
                root = await source.manifest()
                assert root.config is not None
                assert await source.blob(root.config).read(1_000_000) == image.config()
                assert len(root.layers) == 5

    async def test_from_a_registry(
        self, registry: tuple[Simulator, BuiltImage], place: Place, there: Path
    ) -> None:
        simulator, image = registry
        events: list[Event] = []
        digest = await pyskopeo.copy(
            simulator.name(), place.at(there), form=pyskopeo.Form(preserve_digests=True), source_access=insecure(), report=events.append
        )
        if place.bytes_kept:
            assert str(digest) == image.digest
            await read_back(place.at(there), image)
        else:
            await read_layers(place.at(there), image)
        assert not [event for event in events if isinstance(event, Warned)]
        check_events(events, image)

    @pytest.mark.parametrize("kind", ["docker", "docker-history", "docker-odd-text", "docker-uncompressed"])
    async def test_docker_images_where_oci_is_wanted(
        self, kind: str, place: Place, tmp_path: Path, there: Path
    ) -> None:
        image = build(kind)
        source = layout(image, tmp_path)
        digest = await pyskopeo.copy(source, place.at(there))
        async with pyskopeo.open_source(place.at(there)) as written:
            root = await written.manifest()
            if place.bytes_kept:
                assert root.digest == digest
                layers = [await written.blob(layer).read(1_000_000) for layer in root.layers]
                assert layers == [image.blobs[d] for d in image.layer_digests()]
            assert root.is_image


def check_events(events: list[Event], image: BuiltImage) -> None:
    """Every blob starts once and ends once, the root is written last, and the sums are right."""
    (planned,) = (event for event in events if isinstance(event, CopyPlanned))
    started = [str(event.digest) for event in events if isinstance(event, BlobStarted)]
    finished = [str(event.digest) for event in events if isinstance(event, BlobFinished)]
    assert sorted(started) == sorted(finished) == sorted(image.blobs)
    assert planned.total == sum(map(len, image.blobs.values()))
    *_, written, end = events
    assert isinstance(written, ManifestWritten)
    assert written.root
    assert isinstance(end, CopyFinished)
    assert end.moved == planned.total


class TestContentStore:
    async def test_what_is_stored_is_not_fetched_and_comes_out_the_same(
        self, registry: tuple[Simulator, BuiltImage], place: Place, tmp_path: Path, there: Path
    ) -> None:
        simulator, image = registry
        access, form = insecure(), pyskopeo.Form(preserve_digests=True)
        access = replace(access, storage=replace(access.storage, store=tmp_path / "store"))
        asked = len(simulator.requests)
        await pyskopeo.copy(simulator.name(), place.at(there), form=form, source_access=access)
        # Each is fetched once, and is in the store.
        fetched = [r.path.rpartition("/")[2] for r in simulator.requests[asked:] if "/blobs/" in r.path]
        assert sorted(set(fetched)) == sorted(image.blobs)
        for digest, content in {**image.blobs, image.digest: image.root.raw}.items():
            assert (tmp_path / "store" / "blobs" / digest.replace(":", "/")).read_bytes() == content
        asked, again = len(simulator.requests), there / "again"
        again.mkdir()
        name = f"{simulator.name().rpartition(':')[0]}@{image.digest}"
        await pyskopeo.copy(name, place.at(again), form=form, source_access=access)
        assert len(simulator.requests) == asked
        if place.bytes_kept:
            await read_back(place.at(again), image)
        else:
            await read_layers(place.at(again), image)


class TestAgain:
    @each(lambda place: place.remembers, ("oci", "docker", "oci-index", "docker-list", "artifact", "oci-sha512"))
    async def test_a_second_copy_moves_nothing(self, kind: str, place: Place, tmp_path: Path, there: Path) -> None:
        source = layout(build(kind), tmp_path)
        first = await pyskopeo.copy(source, place.at(there), selection=EVERYTHING)
        before, events = everything(there), list[Event]()
        assert await pyskopeo.copy(source, place.at(there), selection=EVERYTHING, report=events.append) == first
        assert {event.placement for event in events if isinstance(event, BlobFinished)} == {Placement.PRESENT}
        assert [event.moved for event in events if isinstance(event, CopyFinished)] == [0]
        assert everything(there) == before

    @each(lambda place: place.remembers)
    async def test_a_second_pull_asks_for_no_blob(
        self, registry: tuple[Simulator, BuiltImage], place: Place, there: Path
    ) -> None:
        simulator, image = registry
        await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
        asked = len(simulator.requests)
        await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
        # Docker's configuration is looked at again where it is converted.
        wanted = {image.config_digest()} if "docker" in image.root.media_type else set()
        assert {r.path.rpartition("/")[2] for r in simulator.requests[asked:] if "/blobs/" in r.path} <= wanted

    async def test_the_same_bytes_again(self, place: Place, tmp_path: Path) -> None:
        source = layout(build("oci"), tmp_path)
        found = []
        for number, jobs in enumerate((1, 8)):
            folder = tmp_path / f"there{number}"
            folder.mkdir()
            await pyskopeo.copy(source, place.at(folder), jobs=jobs)
            found.append(everything(folder))
        assert found[0] == found[1]

    async def test_another_image_takes_its_place_or_is_refused(
        self, place: Place, tmp_path: Path, there: Path
    ) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        other = build("oci-history")
        await pyskopeo.copy(layout(build("oci"), tmp_path / "a"), place.at(there))
        before, source = everything(there), layout(other, tmp_path / "b")
        if place.replaces:
            await pyskopeo.copy(source, place.at(there))
            await (read_back if place.bytes_kept else read_layers)(place.at(there), other)
        else:
            with pytest.raises(DestinationRefused):
                await pyskopeo.copy(source, place.at(there))
            assert everything(there) == before


class TestTampered:
    @pytest.mark.parametrize("what", ["layer", "config", "manifest"])
    @pytest.mark.parametrize("how", ["flip", "short", "long"])
    async def test_a_tampered_file_is_refused(
        self, what: str, how: str, place: Place, tmp_path: Path, there: Path
    ) -> None:
        image = build("oci")
        source = layout(image, tmp_path)
        digest = {"layer": image.layer_digests()[1], "config": image.config_digest(), "manifest": image.digest}[what]
        path = blob_path(tmp_path / "source", digest)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes({"flip": content, "short": content[:-1], "long": content + b"x"}[how]))
        before = everything(there)
        with pytest.raises(InvalidContent):
            await pyskopeo.copy(source, place.at(there))
        check_nothing_half_written(there, before, place)

    @pytest.mark.parametrize("fault", [Flip(700), Short(1), Cut(100)], ids=["flip", "short", "cut"])
    async def test_a_tampered_download_is_refused_and_the_old_content_stays(
        self, fault: Flip | Short | Cut, place: Place, tmp_path: Path, there: Path
    ) -> None:
        (tmp_path / "old").mkdir()
        if place.replaces:
            await pyskopeo.copy(layout(build("oci-history"), tmp_path / "old"), place.at(there))
        before = everything(there)
        image = build(ImageSpec(layers=(LayerSpec("new", size=3000), LayerSpec("newer", size=3000))))
        with Simulator(image) as simulator:
            simulator.on_blob(image.layer_digests()[1], fault)
            with pytest.raises((InvalidContent, NetworkError)):
                await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
        check_nothing_half_written(there, before, place)
        if place.replaces:
            await (read_back if place.bytes_kept else read_layers)(place.at(there), build("oci-history"))

    async def test_a_layer_that_cannot_be_had_stops_the_others(self, place: Place, there: Path) -> None:
        image = in_the_middle()
        first, second, _ = image.layer_digests()
        with Simulator(image) as simulator:
            simulator.on_blob(first, Drip(5000, 0.1))  # would take ten seconds
            simulator.on_blob(second, Refuse(403))
            with anyio.fail_after(6), pytest.raises(NetworkError):
                await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
        check_nothing_half_written(there, {}, place)


class TestCancelled:
    async def test_in_the_middle(self, place: Place, there: Path) -> None:
        image = in_the_middle()
        with Simulator(image) as simulator:
            for digest in image.layer_digests():
                simulator.on_blob(digest, Drip(20_000, 0.1))
            with anyio.fail_after(5), anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(cancel_when_something_is_there, there, scope, place)
                    await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
        assert scope.cancelled_caught
        check_nothing_half_written(there, {}, place)

    async def test_before_anything_came(self, place: Place, there: Path) -> None:
        image = build("oci")
        with Simulator(image) as simulator:
            for digest in image.layer_digests():
                simulator.on_blob(digest, Drip(1, 0.5))
            with anyio.fail_after(5):
                with anyio.move_on_after(0.3) as scope:
                    await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
        assert scope.cancelled_caught
        check_nothing_half_written(there, {}, place)

    async def test_it_can_be_tried_again(self, place: Place, there: Path) -> None:
        image = build("oci")
        with Simulator(image) as simulator:
            simulator.on_blob(image.layer_digests()[0], Drip(1, 0.5), times=1)
            with anyio.move_on_after(0.3):
                await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
            simulator.heal()  # on a busy machine the first copy may not have requested the layer
            await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
        async with pyskopeo.open_source(place.at(there)) as source:
            assert len((await source.manifest()).layers) == 3


class TestResumed:
    """A copy that fails, and the next one, from a registry that counts."""

    def image(self) -> BuiltImage:
        """Its last layer is copied last, whether the largest or the first comes first."""
        return build(ImageSpec("oci", layers=tuple(LayerSpec(f"part {n}", size=400_000 - 20_000 * n) for n in range(3))))

    async def interrupted(self, place: Place, there: Path, simulator: Simulator, image: BuiltImage) -> None:
        """Fail in the middle of the last layer, when the others are complete."""
        *others, last = image.layer_digests()
        simulator.on_blob(last, Cut(200_000))
        with pytest.raises(NetworkError):
            await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure(), jobs=1)
        assert {digest: len(ranges(simulator, digest)) for digest in others} == dict.fromkeys(others, 1)
        simulator.heal()

    @each(lambda place: place.resumes)
    async def test_the_next_copy_fetches_what_is_missing(self, place: Place, there: Path) -> None:
        image = self.image()
        with Simulator(image) as simulator:
            await self.interrupted(place, there, simulator, image)
            await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
        *others, last = (ranges(simulator, digest) for digest in image.layer_digests())
        assert others == [[None], [None]]
        assert last == [None, "bytes=200000-"]
        await (read_back if place.bytes_kept else read_layers)(place.at(there), image)
        assert not [name for name in everything(there) if PARTIAL in name]

    @each(lambda place: place.resumes)
    async def test_it_is_the_same_as_without_an_interruption(self, place: Place, tmp_path: Path, there: Path) -> None:
        image, other = self.image(), tmp_path / "other"
        other.mkdir()
        with Simulator(image) as simulator:
            await self.interrupted(place, there, simulator, image)
            await pyskopeo.copy(simulator.name(), place.at(there), source_access=insecure())
            await pyskopeo.copy(simulator.name(), place.at(other), source_access=insecure())
        assert everything(there) == everything(other)

    async def test_if_it_is_not_wanted_nothing_is_kept(self, place: Place, there: Path) -> None:
        image = self.image()
        access = replace(insecure(), storage=pyskopeo.Storage(resume=False))
        with Simulator(image) as simulator:
            simulator.on_blob(image.layer_digests()[2], Cut(200_000))
            with pytest.raises(NetworkError):
                await pyskopeo.copy(
                    simulator.name(), place.at(there), source_access=insecure(), destination_access=access
                )
        assert not [name for name in everything(there) if PARTIAL in name]


def test_killed_in_the_middle_it_can_be_tried_again(place: Place, there: Path) -> None:
    image = in_the_middle()
    with Simulator(image) as simulator:
        for digest in image.layer_digests():
            simulator.on_blob(digest, Drip(20_000, 0.1), times=1)
        program = (
            "import sys, pyskopeo; from tests.contract.reading import insecure\n"
            "pyskopeo.run_copy(*sys.argv[1:], source_access=insecure())"
        )
        root = Path(__file__).parents[2]
        child = subprocess.Popen([sys.executable, "-c", program, simulator.name(), place.at(there)], cwd=root)
        try:
            assert wait_until(lambda: half_written(there), 20)
        finally:
            child.kill()
            child.wait()
        check_whole({name: content for name, content in everything(there).items() if PARTIAL not in name}, place)
        pyskopeo.run_copy(simulator.name(), place.at(there), source_access=insecure())
    anyio.run(read_back if place.bytes_kept else read_layers, place.at(there), image)


def half_written(folder: Path) -> bool:
    try:
        return any(PARTIAL in str(path) and path.is_file() and path.stat().st_size for path in folder.rglob("*"))
    except FileNotFoundError:  # gone while we looked
        return False


async def cancel_when_something_is_there(folder: Path, scope: anyio.CancelScope, place: Place) -> None:
    """Cancel once a temporary file has content: in the middle of a blob."""
    while not half_written(folder):
        await anyio.sleep(0.02)
    scope.cancel()


class TestCommitIsLast:
    @pytest.mark.parametrize("announced", [True, False])
    async def test_nothing_has_its_name_before(
        self, announced: bool, place: Place, tmp_path: Path, there: Path
    ) -> None:
        image = build("oci")
        async with (
            pyskopeo.open_source(layout(image, tmp_path)) as source,
            pyskopeo.open_destination(place.at(there)) as destination,
        ):
            root = await source.manifest()
            if announced:
                await destination.begin(root)
            for blob in reversed(root.blobs):
                assert await destination.put_blob(source.blob(blob), uncounted) is Placement.WRITTEN
                with pytest.raises(pyskopeo.PyskopeoError):
                    await see(place.at(there))
            await destination.commit(root)
        if place.bytes_kept:
            await read_back(place.at(there), image)
        else:
            await read_layers(place.at(there), image)

    async def test_without_it_there_is_nothing(self, place: Place, tmp_path: Path, there: Path) -> None:
        image = build("oci")
        async with (
            pyskopeo.open_source(layout(image, tmp_path)) as source,
            pyskopeo.open_destination(place.at(there)) as destination,
        ):
            root = await source.manifest()
            for blob in root.blobs:
                await destination.put_blob(source.blob(blob), uncounted)
        check_nothing_half_written(there, {}, place)

    # A layout is shared: what was committed to it is there for everybody.
    @each(lambda place: not place.whole_blobs_stay)
    async def test_an_error_after_it_but_inside_leaves_an_archive_or_directory_unmade(
        self, place: Place, tmp_path: Path, there: Path
    ) -> None:
        async def fail() -> None:
            async with (
                pyskopeo.open_source(layout(build("oci"), tmp_path)) as source,
                pyskopeo.open_destination(place.at(there)) as destination,
            ):
                root = await source.manifest()
                for blob in root.blobs:
                    await destination.put_blob(source.blob(blob), uncounted)
                await destination.commit(root)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert everything(there) == {}

    async def test_a_blob_put_twice_is_there_the_second_time(self, place: Place, tmp_path: Path, there: Path) -> None:
        async with (
            pyskopeo.open_source(layout(build("oci"), tmp_path)) as source,
            pyskopeo.open_destination(place.at(there)) as destination,
        ):
            blob = source.blob((await source.manifest()).layers[0])
            assert not await destination.has_blob(blob.descriptor)
            assert await destination.put_blob(blob, uncounted) is Placement.WRITTEN
            assert await destination.put_blob(blob, uncounted) is Placement.PRESENT


class TestDryRun:
    @pytest.mark.parametrize("kind", ["oci", "docker", "oci-index"])
    async def test_a_plan_touches_nothing(self, kind: str, place: Place, tmp_path: Path, there: Path) -> None:
        image = build(kind)
        source = layout(image, tmp_path)
        before = everything(tmp_path)
        plan, present = await pyskopeo.plan_copy(source, place.at(there))
        assert everything(tmp_path) == before
        assert present == frozenset()
        assert plan.total == sum(blob.size for blob in plan.all_blobs) > 0

    @each(lambda place: place.remembers)
    async def test_it_says_what_is_there_already(self, place: Place, tmp_path: Path, there: Path) -> None:
        source = layout(build("oci"), tmp_path)
        await pyskopeo.copy(source, place.at(there))
        before = everything(tmp_path)
        plan, present = await pyskopeo.plan_copy(source, place.at(there))
        assert present == {blob.digest for blob in plan.blobs}
        assert everything(tmp_path) == before

    async def test_it_is_what_the_copy_does(self, place: Place, tmp_path: Path, there: Path) -> None:
        source, events = layout(build("docker-list"), tmp_path), list[Event]()
        selection = EVERYTHING if place.indexes else AMD64
        plan, _ = await pyskopeo.plan_copy(source, place.at(there), selection=selection)
        await pyskopeo.copy(source, place.at(there), selection=selection, report=events.append)
        planned = next(event for event in events if isinstance(event, CopyPlanned))
        assert (planned.digest, planned.blobs, planned.total) == (plan.root.digest, plan.all_blobs, plan.total)


class TestRefused:
    @pytest.mark.parametrize(
        ("place", "kind"),
        [(place, kind) for place in PLACES for kind in KINDS if not place.holds(kind)],
        ids=lambda value: getattr(value, "transport", value),
    )
    async def test_what_it_cannot_hold(self, kind: str, place: Place, tmp_path: Path, there: Path) -> None:
        with pytest.raises((Unsupported, InvalidContent)):
            await pyskopeo.copy(layout(build(kind), tmp_path), place.at(there), selection=EVERYTHING)
        assert everything(there) == {}

    async def test_a_blob_of_a_digest_nobody_can_check(self, place: Place, there: Path) -> None:
        from pyskopeo.streams.memory_blob import in_memory

        blob = in_memory(Descriptor("", Digest("md5", "d41d8cd98f00b204e9800998ecf8427e"), 0), b"")
        async with pyskopeo.open_destination(place.at(there)) as destination:
            with pytest.raises(Unsupported, match="cannot be verified"):
                await destination.put_blob(blob, uncounted)
        check_nothing_half_written(there, {}, place)

    async def test_a_source_that_is_not_there(self, place: Place, there: Path) -> None:
        with pytest.raises(pyskopeo.PyskopeoError, match=place.missing) as caught:
            await see(place.at(there / "none"))
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 1

    @each(lambda place: place.in_files)
    async def test_a_destination_below_a_file(self, place: Place, tmp_path: Path, there: Path) -> None:
        source = layout(build("oci"), tmp_path)
        (there / "file").write_bytes(b"x")
        with pytest.raises(pyskopeo.PyskopeoError) as caught:
            await pyskopeo.copy(source, place.at(there / "file"))
        assert str(there / "file") in str(caught.value)
        assert everything(there) == {"file": b"x"}
