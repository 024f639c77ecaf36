"""Pushes whose bodies are cut short, and answers that never come."""

from __future__ import annotations

import pytest

from pyskopeo.errors import ConnectionFailed
from pyskopeo.http.retry import Retry
from tests.scenario.push.faults.faults import fails_then_works, on_bodies
from tests.scenario.push.faults.images import IMAGE, LARGE, LENGTH, TOTAL
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.publishing import Push
from tests.support.simulator import Pushing, Simulator

pytestmark = pytest.mark.anyio


# --- bodies cut short ---


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("lose", [False, True], ids=["kept", "lost"])
@pytest.mark.parametrize("where", ["head", "first", "second", "middle", "last"])
async def test_a_cut_body_is_sent_on(where: str, lose: bool, reset: bool, push: Push, registry: Simulator) -> None:
    length = LENGTH[LARGE]
    at = {"head": 0, "first": 1, "second": 2, "middle": length // 2, "last": length - 1}[where]
    # One upload after the other, the largest first, so that it is the one that is cut.
    on_bodies(registry, u.CutUpload(at, reset, lose), times=1)
    await push.run(jobs=1)
    push.check_there()
    assert len(push.retries) == 1
    assert LARGE[7:19] in push.retries[0].what
    if not lose and not reset and where == "middle":
        assert push.sent == TOTAL  # what had come was not sent again


@pytest.mark.parametrize("at", [0, 1, 300])
async def test_a_small_body_is_cut(at: int, registry: Simulator, push: Push) -> None:
    on_bodies(registry, u.CutUpload(at), times=3)
    await push.run()
    push.check_there()


@pytest.mark.parametrize(
    "pushing",
    [Pushing(keeps=False), Pushing(status=False), Pushing(stale="served"), Pushing(stale="lost"),
     Pushing(absolute=True, query=False), Pushing(chunk_min=100_000)],
    ids=["forgetful", "no-status", "served", "lost", "path", "chunk-min"],
)  # fmt: skip
async def test_every_kind_of_registry_after_a_cut(push: Push, registry: Simulator) -> None:
    on_bodies(registry, u.CutUpload(LENGTH[LARGE] // 3), times=1)
    push.closes = registry.pushing.stale != "lost"  # nobody can, there
    await push.run(jobs=1)
    push.check_there()


async def test_cut_many_times_with_progress(push: Push, registry: Simulator) -> None:
    """Each request brings a good part of it, so there may be more cuts than repetitions."""
    push.access = access_for(push.home, retry=Retry(times=1, delay=0.01))
    on_bodies(registry, u.CutUpload(300_000), times=3)
    await push.run(jobs=1)
    push.check_there()
    assert push.sent == TOTAL


async def test_cut_every_time(push: Push, registry: Simulator) -> None:
    on_bodies(registry, u.CutUpload(10))
    await fails_then_works(push, ConnectionFailed, f"127.0.0.1:{registry.port}")
    assert len(push.retries) <= 4 * len(IMAGE.blobs)


async def test_a_registry_that_loses_every_upload(push: Push, registry: Simulator) -> None:
    on_bodies(registry, u.CutUpload(1000, lose=True))
    await fails_then_works(push, ConnectionFailed)


async def test_cut_again_where_it_goes_on(push: Push, registry: Simulator) -> None:
    for number, at in enumerate((400_000, 5, 300_000)):
        on_bodies(registry, u.CutUpload(at, lose=number == 1), times=1, skip=number)
    await push.run(jobs=1)
    push.check_there()


# --- no answer ---


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("what", ["HEAD manifests", "HEAD blobs", "POST blobs/uploads", "PUT manifests"])
async def test_an_answer_that_never_comes(what: str, reset: bool, push: Push, registry: Simulator) -> None:
    """What was asked was done: an upload was opened, of which only the registry knows; a manifest was written."""
    method, path = what.split()
    registry.on(f"/v2/*/{path}/*", f.Drop(reset), times=2, methods=(method,))
    push.closes = method != "POST"
    await push.run()
    push.check_there()


@pytest.mark.parametrize("reset", [False, True])
async def test_the_answer_to_the_last_byte_never_comes(reset: bool, push: Push, registry: Simulator) -> None:
    """The upload is complete and forgotten; the blob is there."""
    on_bodies(registry, f.Drop(reset), times=2)
    await push.run()
    push.check_there()


async def test_nobody_answers(push: Push, registry: Simulator) -> None:
    """All is done and every answer is lost: that the blob is there then says it, and it is not sent again for ever."""
    on_bodies(registry, f.Drop())
    push.access = access_for(push.home, retry=Retry(times=2, delay=0.01))
    await push.run()
    push.check_there()
    assert push.sent <= 2 * TOTAL
