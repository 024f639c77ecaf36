"""Pushes to registries that are slow or silent."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pyskopeo.errors import Stalled
from pyskopeo.http.retry import Retry
from tests.scenario.push.faults.faults import fails_then_works, on_bodies
from tests.scenario.push.faults.images import HUGE
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.publishing import Push
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio


async def test_a_slow_registry_is_waited_for(registry: Simulator, tmp_path: Path) -> None:
    """It takes longer than the time without progress that is allowed, but there is progress."""
    image = build(ImageSpec(layers=(LayerSpec("slow", size=24_000_000, compression="none"),)))
    push = Push(registry, image, tmp_path, access_for(tmp_path, stall_timeout=1.0))
    on_bodies(registry, u.DripUpload(250_000, 0.02))
    await push.run()
    push.check_there()
    assert push.retries == []


@pytest.mark.parametrize("at", [0, 1000])
async def test_a_silent_registry_is_given_up(at: int, registry: Simulator, tmp_path: Path) -> None:
    access = access_for(tmp_path, stall_timeout=0.5, retry=Retry(times=1, delay=0.01))
    push = Push(registry, HUGE, tmp_path, access)
    on_bodies(registry, u.StallUpload(at))
    started = time.monotonic()
    await fails_then_works(push, Stalled, "no progress")
    assert time.monotonic() - started < 15
    assert len(push.retries) >= 1


async def test_silent_once(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, HUGE, tmp_path, access_for(tmp_path, stall_timeout=0.5))
    on_bodies(registry, u.StallUpload(2_000_000), times=1)
    await push.run()
    push.check_there()


async def test_an_answer_that_takes_too_long(push: Push, registry: Simulator) -> None:
    push.access = access_for(push.home, stall_timeout=0.3)
    on_bodies(registry, f.Delay(2.0), times=1)
    await push.run(jobs=1)
    push.check_there()
    assert any("no answer for 0.9 s (--response-timeout)" in retry.reason for retry in push.retries)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
async def test_storing_takes_longer_than_a_stall(method: str, push: Push, registry: Simulator) -> None:
    """A registry that is silent while it stores a blob or a manifest has not stalled."""
    push.access = access_for(push.home, stall_timeout=0.3, response_timeout=10.0)
    registry.on("/v2/*", f.Delay(0.8), methods=(method,))
    await push.run()
    push.check_there()
    assert push.retries == []
