"""Pulls that are cancelled."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import ContentMismatch
from pyskopeo.http.retry import Retry
from tests.scenario.pull.images import IMAGE, LARGE, SMALL
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.pulling import Pull, blobs, check_layout, names
from tests.support.simulator import Simulator
from tests.support.threads import blocked_threads, ends

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "fault",
    [f.Stall(0), f.Stall(100_000), f.Delay(30), f.Drip(100, 0.01)],
    ids=["head only", "in the middle", "no answer", "drip"],
)
async def test_cancelled_in_the_middle(fault: f.Fault, pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, fault)
    with anyio.move_on_after(0.4) as scope:
        await pull.run()
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 10
    check_layout(pull.root, interrupted=True)
    assert LARGE not in blobs(pull.root)
    registry.heal()
    await pull.run()


async def test_cancelled_while_waiting_to_repeat(pull: Pull, registry: Simulator) -> None:
    pull.access = access_for(pull.root, retry=Retry(delay=30))
    registry.on_blob(LARGE, f.Cut(100_000))
    with anyio.move_on_after(0.4) as scope:
        await pull.run()
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 10
    assert len(pull.retries) == 1
    check_layout(pull.root, interrupted=True)


async def test_cancelled_while_reopening(pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, f.Cut(100_000), times=1)
    registry.on_blob(LARGE, f.Delay(30))
    with anyio.move_on_after(0.4) as scope:
        await pull.run()
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 10
    check_layout(pull.root, interrupted=True)


@pytest.mark.parametrize("waiting", ["body", "head", "pause"])
async def test_one_failure_stops_the_others_at_once(waiting: str, pull: Pull, registry: Simulator) -> None:
    pull.access = access_for(pull.root, stall_timeout=30, retry=Retry(delay=30 if waiting == "pause" else 0.01))
    stuck: dict[str, f.Fault] = {"body": f.Stall(100_000), "head": f.Delay(30), "pause": f.Cut(100_000)}
    registry.on_blob(LARGE, stuck[waiting])
    registry.on_blob(SMALL, f.Delay(0.3), f.Flip(5))
    started = time.monotonic()
    with pytest.raises(ContentMismatch, match=f"digest mismatch: want {SMALL}"):
        await pull.run()
    assert time.monotonic() - started < 15
    assert names(pull.root) == []
    registry.heal()
    pull.access = access_for(pull.root)
    await pull.run()


async def test_no_thread_outlives_its_request(pull: Pull, registry: Simulator) -> None:
    """The thread of a cancelled request is woken, so that the program can end."""
    registry.on_blob(LARGE, f.Delay(30))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pull.run)
        assert await ends(lambda: bool(blocked_threads()))
        tasks.cancel_scope.cancel()
    assert await ends(lambda: not blocked_threads())


async def test_no_thread_outlives_a_handshake(registry: Simulator, tmp_path: Path) -> None:
    """Not even one that waits for a server which accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        access = access_for(tmp_path)
        pull = Pull(registry, IMAGE, tmp_path / "layout", access)
        with anyio.move_on_after(0.5) as scope:
            await pull.run(f"docker://127.0.0.1:{silent.getsockname()[1]}/a/b:c")
        assert scope.cancelled_caught
        assert await ends(lambda: not blocked_threads())
