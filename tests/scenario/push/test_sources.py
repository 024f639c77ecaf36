"""Pushes whose source fails, or is slower than the registry."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.errors import ConnectionFailed, ContentMismatch, PyskopeoError
from tests.scenario.push.images import IMAGE, LARGE, SMALL, TOTAL
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path
from tests.support.processes import wait_until
from tests.support.publishing import Push, kind, order
from tests.support.simulator import Pushing, Simulator

pytestmark = pytest.mark.anyio


# --- sources that fail ---


@pytest.mark.parametrize("digest", [LARGE, SMALL])
@pytest.mark.parametrize("at", [0, -1])
async def test_a_blob_that_is_not_what_it_is_called(digest: str, at: int, registry: Simulator, tmp_path: Path) -> None:
    """The registry never has all of it, so that not even a careless one can store it."""
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    with Simulator(IMAGE) as source:
        source.on_blob(digest, f.Flip(at))
        with pytest.raises(ContentMismatch):
            await push.run(source=source.name())
    assert digest not in registry.blobs()
    assert push.asked["PUT manifest"] == 0
    whole = [r for r in registry.requests if kind(r) == "upload" and r.length >= len(IMAGE.blobs[digest])]
    assert not [r for r in whole if r.query.get("digest") == [digest]]


@pytest.mark.parametrize("fault", [f.Cut(100_000), f.Refuse(404), f.Short(5), f.Long(5)])
async def test_a_source_that_cannot_give_it(fault: f.Fault, registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, retry=pyskopeo.Retry(times=1, delay=0.01)))
    with Simulator(IMAGE) as source:
        source.on_blob(LARGE, fault)
        source.on_blob(LARGE, f.Ranges("refused-400"))
        with pytest.raises(PyskopeoError) as caught:
            await push.run(source=source.name())
        assert "\n" not in str(caught.value)
        assert LARGE not in registry.blobs()
        source.heal()
        await push.run(source=source.name())
    push.check_there()


async def test_a_source_that_breaks_off_is_read_on_while_the_upload_waits(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    with Simulator(IMAGE) as source:
        source.on_blob(LARGE, f.Cut(100_000), times=1)
        await push.run(source=source.name())
        assert [r.header("Range") for r in source.requests if r.path.endswith(LARGE)] == [None, "bytes=100000-"]
    push.check_there()
    assert push.sent == TOTAL


async def test_a_layout_that_has_lost_a_blob(push: Push, registry: Simulator, tmp_path: Path) -> None:
    blob_path(tmp_path / "source", LARGE).unlink()
    with pytest.raises(PyskopeoError):
        await push.run()
    assert LARGE not in registry.blobs()


@pytest.mark.parametrize("pushing", [Pushing(stale="lost")])
@pytest.mark.parametrize("why", ["tampered", "cut", "cancelled"])
async def test_an_upload_that_only_its_latest_location_ends(why: str, registry: Simulator, tmp_path: Path) -> None:
    """docker-registry 2.8 cancels no upload of which more came than its Location says. So one whose body had to be
    broken off, since its length was told, stays open there until the registry purges it."""
    image = build(ImageSpec("oci", layers=(LayerSpec("large", size=3_000_000, compression="none"),)))
    (digest,) = image.layer_digests()
    push = Push(registry, image, tmp_path, access_for(tmp_path, retry=pyskopeo.Retry(times=0)))
    push.closes = False
    with Simulator(image) as source:
        faults: dict[str, f.Fault] = {
            "tampered": f.Flip(-1), "cut": f.Cut(2_000_000), "cancelled": f.Drip(100_000, 0.1)
        }  # fmt: skip
        source.on_blob(digest, faults[why])
        source.on_blob(digest, f.Ranges("refused-400"))
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                if why == "cancelled":

                    async def cancel() -> None:
                        while not registry.open_uploads:
                            await anyio.sleep(0.02)
                        await anyio.sleep(0.3)
                        scope.cancel()

                    tasks.start_soon(cancel)
                with suppress(PyskopeoError):
                    await push.run(source=source.name())
    push.check()


@dataclass(frozen=True)
class _Once:
    """Answer when ``asked`` says so; refuse, should it never."""

    asked: Callable[[], bool]

    def apply(self, request: Request, response: Response) -> Response:
        return response if wait_until(self.asked, 5) else f.Refuse(404).apply(request, response)


# --- what is asked while the source is read ---


async def test_the_registry_is_asked_while_the_source_is_read(push: Push, registry: Simulator) -> None:
    with Simulator(IMAGE) as source:
        source.on_manifest("latest", _Once(lambda: order(registry, "HEAD", "manifest") != []))
        await push.run(source=source.name())
    push.check_there()
    assert push.asked["HEAD manifest"] == 2  # by its tag, and by its digest


async def test_of_two_failures_the_sources_is_told(push: Push, registry: Simulator) -> None:
    registry.on("/v2/*", f.Drop(), methods=("HEAD",))
    with Simulator(IMAGE) as source:
        source.on_manifest("no-such-tag", _Once(lambda: order(registry, "HEAD", "manifest") != []))
        with pytest.raises(PyskopeoError, match="initializing source .*no-such-tag"):
            await push.run(source=source.name(tag="no-such-tag"))
        with pytest.raises(ConnectionFailed, match=re.escape(registry.host)):
            await push.run(source=source.name())
