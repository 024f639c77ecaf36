"""``pyskopeo sync --plan``: write the plan of a sync to a file."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from ..syncing.sync_request import ImageEvent, LogMessage
from .log import emit_notice, log
from .logged_events import warnings_only
from .progress import registry_report
from .quantities import quantity, size
from .standard_streams import write_bytes

if TYPE_CHECKING:
    from ..syncing.planning import PlanProgress, PlanTotals
    from ..syncing.sync_request import SyncEvent, SyncSink
    from .sync_options import SyncOptions

_INTERVAL = 10.0  # seconds between two lines about progress


async def write_plan(options: SyncOptions) -> int:
    """Write the plan; it has its name when it is complete. The exit code is 1 if something could not be planned."""
    if options.progress == "json":
        from .json_events import printing_failure

        with printing_failure():
            totals = await _plan(options)
    else:
        totals = await _plan(options)
    _show_end(options, totals)
    return 1 if totals.failures else 0


async def _plan(options: SyncOptions) -> PlanTotals:
    from ..streams.cancellation import run_in_thread
    from ..syncing.plan_output import plan_output
    from ..syncing.planning import creation_time, plan_sync, read_earlier_runs

    assert options.plan is not None
    earlier = await run_in_thread(partial(read_earlier_runs, options.request, options.since))
    show = _Progress(options.progress)
    put = write_bytes if str(options.plan) == "-" else None
    async with plan_output(options.plan, put) as write:
        return await plan_sync(
            options.request, write, created=creation_time(),
            source_access=options.source_access.access(registry_report(options.progress)), earlier=earlier,
            report=_events(options.progress), progress=show.show,
        )  # fmt: skip


def _events(mode: str) -> SyncSink:
    """Return what shows the messages of planning: warnings and errors; as JSON all of them."""
    if mode == "json":
        from .json_events import print_sync_event

        return print_sync_event

    def show(event: SyncEvent) -> None:
        if isinstance(event, LogMessage):
            if event.level != "info":
                log(event.level, event.text, dict(event.fields))
        elif isinstance(event, ImageEvent):
            warnings_only(event.event)

    return show


class _Progress:
    """Prints a line now and then."""

    def __init__(self, mode: str) -> None:
        self._wanted = mode not in ("json", "none")
        self._shown = time.monotonic()

    def show(self, progress: PlanProgress) -> None:
        """Print a line if it is time to."""
        if self._wanted and time.monotonic() - self._shown >= _INTERVAL:
            self._shown = time.monotonic()
            where = f" in {progress.done} of {progress.parts} repositories" if progress.parts > 1 else ""
            _say(f"{quantity(progress.images, 'image')} planned{where}")


def _show_end(options: SyncOptions, totals: PlanTotals) -> None:
    """Print what is in the plan."""
    if options.progress == "json":
        from .json_events import print_plan_finished

        print_plan_finished(totals)
        return
    if options.progress == "none":
        return
    changed = totals.images - totals.unchanged
    unsized = f" and {totals.unsized} of unknown size" if totals.unsized else ""
    parts = [
        f"{quantity(totals.images, 'image')} planned",
        *([f"{totals.unchanged} of them unchanged"] if totals.unchanged else []),
        f"{size(totals.size)}{unsized} in about {quantity(totals.requests, 'request')} at most" if changed else "",
    ]
    _say(", ".join(filter(None, parts)))
    if totals.failures:
        _say(f"{quantity(totals.failures, 'failure')}: not everything is in the plan")


def _say(text: str) -> None:
    if sys.stderr.isatty():
        emit_notice(text)
    else:
        log("info", text)
