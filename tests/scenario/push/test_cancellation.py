"""Pushes that are cancelled leave no upload open and no thread behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from pyskopeo.http.loop_bridge import call_in_loop
from pyskopeo.registry import upload_attempt
from pyskopeo.streams.cancellation import Cancellation, check_cancelled
from tests.scenario.push.images import IMAGE, LARGE_IMAGE
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.exchange import Request
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.publishing import Converting, Push
from tests.support.simulator import Simulator
from tests.support.threads import our_threads

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("slow", ["source", "registry", "silent registry"])
async def test_cancelled_in_the_middle(slow: str, registry: Simulator, tmp_path: Path) -> None:
    from tests.support.upload_faults import DripUpload, StallUpload

    image: BuiltImage = build(ImageSpec("oci", layers=(LayerSpec("large", size=3_000_000, compression="none"),)))
    (digest,) = image.layer_digests()
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    with Simulator(image) as source:
        if slow == "source":
            source.on_blob(digest, f.Drip(50_000, 0.1))
        else:
            fault = DripUpload(50_000, 0.1) if slow == "registry" else StallUpload(100_000)
            registry.on("/v2/*/uploads/*", fault, methods=("PUT", "PATCH"))

        def under_way(request: Request) -> bool:
            return request.query.get("digest") == [digest]

        with anyio.fail_after(8), anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def cancel() -> None:
                    while not any(map(under_way, registry.requests)):
                        await anyio.sleep(0.02)
                    await anyio.sleep(0.1)
                    scope.cancel()

                tasks.start_soon(cancel)
                await push.run(source=source.name())
        assert scope.cancelled_caught
        push.check()
        assert push.names() == {}
        source.heal()
        push.forget()
        await push.run(source=source.name())
    push.check_there()


async def test_cancelled_before_anything_was_sent(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    registry.on("/v2/*", f.Delay(0.4), methods=("HEAD", "POST"))
    with anyio.move_on_after(0.2) as scope:
        await push.run()
    assert scope.cancelled_caught
    push.forget()
    await push.run()
    push.check_there()


@pytest.mark.parametrize("where", ["POST", "PATCH"])
async def test_cancelled_while_it_compresses_for_a_silent_registry(
    where: str, registry: Simulator, tmp_path: Path
) -> None:
    """It ends at once, not when the registry has been silent for too long."""
    push = Converting(registry, LARGE_IMAGE, tmp_path, access_for(tmp_path, stall_timeout=30.0))
    if where == "POST":
        registry.on_upload("POST", f.Delay(20))
        push.closes = False
    else:
        registry.on_upload("PATCH", u.StallUpload(100_000))
    started = anyio.current_time()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                while not any(r.method == where for r in registry.requests):
                    await anyio.sleep(0.02)
                await anyio.sleep(0.5)
                scope.cancel()

            tasks.start_soon(cancel)
            await push.convert()
    assert scope.cancelled_caught
    assert anyio.current_time() - started < 15
    push.check()
    with anyio.fail_after(5):
        while our_threads():
            await anyio.sleep(0.02)


async def test_cancelled_while_a_request_begins(
    registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker thread does not learn of the request, which is ended all the same."""
    scope = anyio.CancelScope()
    begin = call_in_loop

    def cancelled_meanwhile(work: Callable[[], None]) -> None:
        begin(work)
        begin(scope.cancel)
        until = time.monotonic() + 10
        while not Cancellation.current().cancelled and time.monotonic() < until:
            time.sleep(0.002)
        check_cancelled()

    monkeypatch.setattr(upload_attempt, "call_in_loop", cancelled_meanwhile)
    push = Push(registry, LARGE_IMAGE, tmp_path, access_for(tmp_path))
    with anyio.fail_after(15), scope:
        await push.run(jobs=1)
    assert scope.cancelled_caught
    monkeypatch.undo()
    push.forget()
    await push.run()
    push.check_there()
