"""Make and run the plan of a sync by the names of its places, for the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ..access import Access
from ..engine.plan import DEFAULT_FORM, Form
from ..engine.selection import Selection
from ..model.platform import Platform
from ..model.referrer import WantedReferrers
from ..signatures.signer import Signer
from ..streams.cancellation import run_in_thread
from .mapping import Renaming
from .places import split_place
from .plan_output import plan_output
from .plan_source import PlanSource
from .planned_run import planned_request, run_planned
from .planning import PlanTotals, creation_time, plan_sync, read_earlier_runs
from .repository_selection import RepositorySelection
from .shards import Shard
from .sync_request import IMAGES_AT_ONCE, SyncReport, SyncRequest, SyncSink, ignore
from .tag_selection import TagSelection


async def write_plan(
    path: Path | str,
    source: str,
    destination: str,
    *,
    selection: Selection | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    semver: str | None = None,
    latest: int = 0,
    include_repositories: Sequence[str] = (),
    exclude_repositories: Sequence[str] = (),
    renaming: Sequence[str] | Mapping[str, str] = (),
    scoped: bool = False,
    append_suffix: str = "",
    form: Form = DEFAULT_FORM,
    referrers: WantedReferrers | None = None,
    since: Sequence[Path | str] = (),
    keep_going: bool = False,
    jobs: int = IMAGES_AT_ONCE,
    report: SyncSink = ignore,
    access: Access | None = None,
) -> PlanTotals:
    """Write to ``path`` what a sync would copy, one image a line, as ``sync --plan`` does; copy nothing.

    ``since`` are the paths of reports of earlier runs (``--report``): what they say is at the destination, and has not
    changed at the source, is in the plan as present. ``jobs`` is the maximum number of images asked for concurrently,
    ``access`` that of the source. ``keep_going`` leaves out images that cannot be asked for. All else is as for
    `sync_images`.

    The plan is run by `run_plan`, ``sync --run`` or `sync_on_cluster`, also on other machines; a platform of None is
    that of this machine. Returns what is in it, with the number of failures. Raises the errors of the source,
    `InvalidInput` for arguments that are wrong, and `StorageFailed`; the file is there when the plan is complete.
    """
    source_transport, source_place = split_place(source)
    destination_transport, destination_place = split_place(destination)
    request = SyncRequest(
        source_transport, source_place, destination_transport, destination_place,
        selection or Selection(Platform.host()), scoped, append_suffix,
        TagSelection.parse(include, exclude, latest, semver), form, keep_going=keep_going, jobs=jobs,
        referrers=referrers, repositories=RepositorySelection.parse(include_repositories, exclude_repositories),
        renaming=Renaming.parse(renaming),
    )  # fmt: skip
    earlier = await run_in_thread(partial(read_earlier_runs, request, [Path(one) for one in since]))
    async with plan_output(Path(path)) as write:
        return await plan_sync(
            request, write, created=creation_time(), source_access=access, earlier=earlier, report=report
        )


async def run_plan(
    path: Path | str,
    *,
    shard: str | None = None,
    keep_going: bool = False,
    dry_run: bool = False,
    signers: tuple[Signer, ...] = (),
    jobs: int = IMAGES_AT_ONCE,
    report: SyncSink = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> SyncReport:
    """Copy the images of a plan, or of a shard of it, as ``sync --run FILE --shard I/N`` does.

    ``shard`` is ``I/N``, the part I of N, from ``1/N`` to ``N/N``: an image is always in the same one. All else is as
    for `sync_images`. Returns the result of each image. Raises `SyncFailed`, which has them too, when an image was not
    copied; `InvalidContent` for a plan that is not whole, and `InvalidInput` for a shard that is not there.
    """
    chosen = None if shard is None else Shard.parse(shard)
    plan = await run_in_thread(partial(PlanSource, Path(path)))
    images = await run_in_thread(partial(plan.shard, chosen))
    request = planned_request(
        plan.header, keep_going=keep_going, dry_run=dry_run, jobs=jobs, signers=signers, access=destination_access
    )
    return await run_planned(
        request, images, source_access=source_access, destination_access=destination_access, report=report
    )
