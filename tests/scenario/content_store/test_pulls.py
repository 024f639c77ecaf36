"""Pulls that share a content store: what is there is never fetched again, by whatever transport it is written."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo import Placement, Selection
from pyskopeo.errors import NetworkError, PyskopeoError, Stalled
from pyskopeo.model.events import BlobFinished, CopyFinished, Event, Warned
from pyskopeo.model.platform import Platform
from tests.scenario.content_store.pulling import (
    IMAGE,
    NEXT,
    blob_requests,
    path_of,
    pinned,
    pull,
    same_file,
    stored,
    through,
)
from tests.support.faults import Drip, Refuse, Short
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.pulling import check_layout
from tests.support.simulator import Pushing, Simulator

pytestmark = pytest.mark.anyio
LAYER = IMAGE.layer_digests()[0]
EVERYTHING = Selection(Platform("linux", "amd64"), "all")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


async def test_the_second_pull_fetches_no_blob_and_links_all(store: Path, tmp_path: Path) -> None:
    access, events = through(store, tmp_path), list[Event]()
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/first:v1", access, report=events.append)
        assert sorted(blob_requests(registry)) == sorted(IMAGE.blobs)
        assert stored(store) == set(IMAGE.blobs) | {IMAGE.digest}
        assert [event.moved for event in events if isinstance(event, CopyFinished)] == [sum(map(len, IMAGE.blobs.values()))]
        asked = len(registry.requests)
        events.clear()
        await pull(registry.name(), f"oci:{tmp_path}/second:v1", through(store, tmp_path), report=events.append)
        assert registry.log[asked:] == ["GET /v2/test/image/manifests/latest"]
    assert {event.placement for event in events if isinstance(event, BlobFinished)} == {Placement.LINKED}
    assert [event.moved for event in events if isinstance(event, CopyFinished)] == [0]
    for digest in IMAGE.blobs:
        assert same_file(path_of(tmp_path / "second", digest), path_of(store, digest))
    check_layout(tmp_path / "second")
    check_layout(store)


async def test_an_image_that_shares_layers_fetches_only_the_others(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        registry.add(NEXT, "test/next", "latest")
        await pull(registry.name(), f"oci:{tmp_path}/first:v1", through(store, tmp_path))
        asked = len(registry.requests)
        await pull(registry.name("test/next"), f"oci:{tmp_path}/second:v1", through(store, tmp_path))
        assert set(blob_requests(registry, asked)) == set(NEXT.blobs) - set(IMAGE.blobs)


async def test_a_pinned_image_that_is_stored_needs_no_request(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/first:v1", through(store, tmp_path))
        asked = len(registry.requests)
        for number, name in enumerate((pinned(registry, IMAGE), f"{registry.name()}@{IMAGE.digest}")):
            for transport in ("oci", "dir", "oci-archive", "docker-archive"):
                await pull(name, f"{transport}:{tmp_path}/{transport}{number}", through(store, tmp_path))
        assert registry.log[asked:] == []
    check_layout(tmp_path / "oci0")


async def test_a_pinned_image_that_is_at_the_destination_needs_no_request_and_no_store(tmp_path: Path) -> None:
    access = through(None, tmp_path)
    with Simulator(IMAGE) as registry:
        for place in (f"oci:{tmp_path}/layout:v1", f"dir:{tmp_path}/directory"):
            await pull(registry.name(), place, access)
            asked = len(registry.requests)
            digest = await pull(pinned(registry, IMAGE), place, through(None, tmp_path))
            assert str(digest) == IMAGE.digest
            assert registry.log[asked:] == []


async def test_a_pinned_image_of_which_the_destination_lacks_a_blob(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/layout:v1", through(None, tmp_path))
        path_of(tmp_path / "layout", LAYER).unlink()
        asked = len(registry.requests)
        await pull(pinned(registry, IMAGE), f"oci:{tmp_path}/layout:v1", through(None, tmp_path))
        assert blob_requests(registry, asked) == [LAYER]
        assert not [line for line in registry.log[asked:] if "/manifests/" in line]
    check_layout(tmp_path / "layout")


async def test_a_damaged_manifest_at_the_destination_is_requested(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/layout:v1", through(None, tmp_path))
        path_of(tmp_path / "layout", IMAGE.digest).write_bytes(b"{}")
        await pull(pinned(registry, IMAGE), f"oci:{tmp_path}/layout:v1", through(None, tmp_path))
    check_layout(tmp_path / "layout")


async def test_a_destination_that_is_deleted_under_the_pull_loses_nothing(store: Path, tmp_path: Path) -> None:
    """As a build system does after a time-out: the next pull finds in the store what the first one has fetched."""
    layout = tmp_path / "layout"
    first, last = IMAGE.layer_digests()[0], IMAGE.layer_digests()[-1]

    def deleted(event: Event) -> None:
        if isinstance(event, BlobFinished) and str(event.digest) == first:
            shutil.rmtree(layout, ignore_errors=True)

    with Simulator(IMAGE) as registry:
        registry.on_blob(last, Short(100_000))
        access = through(store, tmp_path)
        access = replace(access, network=replace(access.network, retry=pyskopeo.Retry(times=0)))
        with pytest.raises(PyskopeoError):
            await pull(registry.name(), f"oci:{layout}:v1", access, jobs=1, report=deleted)
        shutil.rmtree(layout, ignore_errors=True)
        assert first in stored(store)
        registry.heal()
        asked = len(registry.requests)
        await pull(registry.name(), f"oci:{layout}:v1", through(store, tmp_path))
        assert first not in blob_requests(registry, asked)
    check_layout(layout)


@pytest.mark.parametrize("place", ["oci:{}/image:tag", "dir:{}/image", "oci-archive:{}/image", "docker-archive:{}/image"])
async def test_every_file_transport_reads_from_the_store(place: str, store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/first:v1", through(store, tmp_path))
        await pull(registry.name(), place.format(tmp_path), through(None, tmp_path))
        (tmp_path / "image").rename(tmp_path / "wanted")
        asked = len(registry.requests)
        await pull(registry.name(), place.format(tmp_path), through(store, tmp_path))
        assert registry.log[asked:] == ["GET /v2/test/image/manifests/latest"]
    for path in [path for path in (tmp_path / "wanted", *(tmp_path / "wanted").rglob("*")) if path.is_file()]:
        other = tmp_path / "image" / path.relative_to(tmp_path / "wanted")
        assert other.read_bytes() == path.read_bytes()


async def test_a_push_reads_from_the_store(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry, Simulator(pushing=Pushing()) as other:
        await pull(registry.name(), other.name("team/first", "v1"), through(store, tmp_path))
        assert sorted(blob_requests(registry)) == sorted(IMAGE.blobs)
        assert stored(store) == set(IMAGE.blobs) | {IMAGE.digest}
        asked = len(registry.requests)
        await pull(pinned(registry, IMAGE), other.name("team/second", "v1"), through(store, tmp_path))
        assert registry.log[asked:] == []
        assert other.incomplete == []
        assert set(other.blobs("team/second")) == set(IMAGE.blobs)


async def test_an_image_that_is_recompressed_is_read_from_the_store(store: Path, tmp_path: Path) -> None:
    form = pyskopeo.Form(compression="gzip", compress=True, level=1)
    with Simulator(IMAGE) as registry:
        first = await pull(registry.name(), f"oci:{tmp_path}/first:v1", through(store, tmp_path), form=form)
        asked = len(registry.requests)
        assert await pull(pinned(registry, IMAGE), f"oci:{tmp_path}/second:v1", through(store, tmp_path), form=form) == first
        assert registry.log[asked:] == []


async def test_the_index_of_the_store_names_what_was_pulled(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/first:v1", through(store, tmp_path))
        host = registry.host
    (entry,) = json.loads((store / "index.json").read_bytes())["manifests"]
    assert entry["digest"] == IMAGE.digest
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": f"{host}/test/image:latest"}
    assert json.loads((store / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    digest = await pyskopeo.copy(f"oci:{store}:{host}/test/image:latest", f"oci:{tmp_path}/copy:v1")
    assert str(digest) == IMAGE.digest


async def test_an_image_that_is_not_complete_in_the_store_has_no_name_there(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/layout:v1", through(None, tmp_path))
        await pull(registry.name(), f"oci:{tmp_path}/layout:v1", through(store, tmp_path))
    assert json.loads((store / "index.json").read_bytes())["manifests"] == []
    assert stored(store) == {IMAGE.digest}


async def test_one_platform_of_a_list(store: Path, tmp_path: Path) -> None:
    """The list is stored with the one image that was pulled; another platform is fetched when it is wanted."""
    arm = ImageSpec(platform=PlatformSpec(architecture="arm64"), layers=(LayerSpec("arm"),))
    image = build(IndexSpec((ImageSpec(layers=(LayerSpec("amd"),)), arm)))
    choices = [Selection(Platform("linux", name)) for name in ("amd64", "arm64")]
    with Simulator(image) as registry:
        name = pinned(registry, image)
        await pull(name, f"oci:{tmp_path}/first:v1", through(store, tmp_path), selection=choices[0])
        asked = len(registry.requests)
        await pull(name, f"oci:{tmp_path}/second:v1", through(store, tmp_path), selection=choices[0])
        assert registry.log[asked:] == []
        await pull(name, f"oci:{tmp_path}/third:v1", through(store, tmp_path), selection=choices[1])
        wanted = image.child(1).digest
        assert sum(line.endswith(wanted) for line in registry.log[asked:]) == 1
        asked = len(registry.requests)
        await pull(name, f"oci:{tmp_path}/all:v1", through(store, tmp_path), selection=EVERYTHING)
        assert registry.log[asked:] == []
    check_layout(tmp_path / "all")


async def test_removed_layouts_do_not_make_the_store_read_again(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hard link that goes away changes the inode, not the content."""
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/first:v1", through(store, tmp_path))
        for path in store.glob("blobs/sha256/*"):  # older than the resolution of the clock
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
        await pull(registry.name(), f"oci:{tmp_path}/second:v1", through(store, tmp_path))
        shutil.rmtree(tmp_path / "first")
        shutil.rmtree(tmp_path / "second")
        read: list[int] = []
        real = os.preadv

        def preadv(fd: int, *more: Any) -> int:
            read.append(os.fstat(fd).st_size)
            return real(fd, *more)

        monkeypatch.setattr(os, "preadv", preadv)
        await pull(registry.name(), f"oci:{tmp_path}/third:v1", through(store, tmp_path))
    assert not [size for size in read if size > 100_000]


async def test_a_copy_into_the_store_itself(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{store}:mine", through(store, tmp_path))
        assert sorted(blob_requests(registry)) == sorted(IMAGE.blobs)
    check_layout(store)
    names = [e["annotations"]["org.opencontainers.image.ref.name"] for e in json.loads((store / "index.json").read_bytes())["manifests"]]
    assert sorted(names) == sorted(["mine", f"{registry.host}/test/image:latest"])


async def test_a_wrong_blob_is_refused_and_not_stored(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        registry.on_blob(LAYER, Refuse(500, "UNKNOWN"))
        access = through(store, tmp_path)
        access = replace(access, network=replace(access.network, retry=pyskopeo.Retry(times=0)))
        with pytest.raises(NetworkError):
            await pull(registry.name(), f"oci:{tmp_path}/first:v1", access)
    assert LAYER not in stored(store)


async def test_a_configuration_that_comes_a_byte_from_time_to_time_is_given_up(store: Path, tmp_path: Path) -> None:
    """As without a store: the time of a small document is limited as a whole."""
    access = through(store, tmp_path)
    network = replace(access.network, retry=pyskopeo.Retry(times=0), response_timeout=0.5)
    with Simulator(IMAGE) as registry:
        registry.on_blob(IMAGE.config_digest(), Drip(1, 0.05))
        async with pyskopeo.open_source(registry.name(), replace(access, network=network)) as source:
            with pytest.raises(Stalled):
                await pyskopeo.inspect_image(source, Platform("linux", "amd64"))


async def test_no_warnings(store: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    access = replace(through(store, tmp_path), report=events.append)
    with Simulator(IMAGE) as registry:
        for name in ("first", "second"):
            await pull(registry.name(), f"oci:{tmp_path}/{name}:v1", access, report=events.append)
    assert not [event for event in events if isinstance(event, Warned)]
