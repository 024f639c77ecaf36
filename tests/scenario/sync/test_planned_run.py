"""`run_planned`: images of a plan are copied as planned, and blobs are mounted from where other runs have put them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pyskopeo.access import Access
from pyskopeo.engine.selection import Selection
from pyskopeo.model.choice import Choice
from pyskopeo.model.digest import Digest
from pyskopeo.syncing.plan_file import PlanHeader, PlannedImage
from pyskopeo.syncing.plan_options import PlanOptions
from pyskopeo.syncing.planned_run import planned_request, run_planned
from pyskopeo.syncing.shared_blobs import SharedBlobs
from pyskopeo.syncing.sync_request import SyncFailed, SyncReport
from tests.scenario.sync.running import MANY, Asked, numbered
from tests.support.simulator import Simulator


async def _copy(
    registry: Simulator, mirror: Simulator, numbers: range, *, shared: SharedBlobs | None = None, to: str = "app"
) -> SyncReport:
    header = PlanHeader(
        f"docker://{registry.host}/team/app", f"docker://{mirror.host}/m", PlanOptions(Selection(Choice(), "all"))
    )
    images = [
        PlannedImage(
            f"docker://{registry.host}/team/app:v{n}", f"docker://{mirror.host}/m/{to}:v{n}",
            Digest.parse(MANY[n].digest),
        )
        for n in numbers
    ]  # fmt: skip
    access = Access.from_environ()
    access = replace(access, trust=replace(access.trust, insecure=True))
    request = planned_request(header, access=access)
    return await run_planned(request, images, source_access=access, destination_access=access, shared=shared)


def _run(registry: Simulator, mirror: Simulator, numbers: range) -> SyncReport:
    return asyncio.run(_copy(registry, mirror, numbers))


def test_what_is_planned_is_copied_by_its_digest_even_if_the_tag_has_moved(registry: Simulator) -> None:
    with Simulator() as mirror:
        registry.add(MANY[0], "team/app", "kept")
        registry.add(numbered(99), "team/app", "v0")
        report = _run(registry, mirror, range(2))
        assert [result.status for result in report.results] == ["copied", "copied"]
        assert mirror.manifest("v0", "m/app").digest == MANY[0].digest  # type: ignore[union-attr]
        here, there = Asked(registry), Asked(mirror)
        assert _run(registry, mirror, range(2)).count("present") == 2
        assert here.kinds == {}, "digests do not change"
        assert there.kinds == {"HEAD manifests": 2}


def test_blobs_of_other_runs_are_mounted(registry: Simulator) -> None:
    with Simulator() as mirror:

        async def copy_twice() -> None:
            shared = SharedBlobs()
            for to in ("one", "two"):
                await _copy(registry, mirror, range(1), shared=shared, to=to)

        asyncio.run(copy_twice())
        assert sum("mount=" in line for line in mirror.log) == len(MANY[0].blobs)


def test_no_images_are_no_failure(registry: Simulator) -> None:
    with Simulator() as mirror:
        assert _run(registry, mirror, range(0)).results == ()


def test_a_digest_that_is_gone_fails(registry: Simulator) -> None:
    with Simulator() as mirror, Simulator() as empty:
        with pytest.raises(SyncFailed, match="name unknown") as failed:
            _run(empty, mirror, range(1))
        assert failed.value.report.count("failed") == 1
