"""``pyskopeo sync --plan``: write the plan of a sync to a file."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from ..syncing.sync_request import ImageEvent, LogMessage
from .log import emit_notice, log
from .progress import registry_report, warnings_only
from .quantities import quantity, size
from .standard_streams import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..syncing.earlier_runs import EarlierRuns
    from ..syncing.planning import PlanProgress, PlanTotals
    from ..syncing.sync_request import SyncEvent, SyncSink
    from .sync_options import SyncOptions

_INTERVAL = 10.0  # seconds between two lines about progress
_PIECE = 1024 * 1024  # bytes that are written at once


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
    from ..syncing.planning import plan_sync

    assert options.plan is not None
    earlier = await run_in_thread(partial(_earlier_runs, options)) if options.since else None
    with ExitStack() as stack:
        put = await run_in_thread(partial(_open, options.plan, stack))
        waiting = bytearray()

        async def flush() -> None:
            content = bytes(waiting)
            waiting.clear()
            await run_in_thread(partial(put, content))

        async def write(content: bytes) -> None:
            waiting.extend(content)
            if len(waiting) >= _PIECE:
                await flush()

        show = _Progress(options.progress)
        totals = await plan_sync(
            options.request, write, created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            source_access=options.source_access.access(registry_report(options.progress)), earlier=earlier,
            report=_events(options.progress), progress=show.show,
        )  # fmt: skip
        await flush()
    return totals


def _open(path: Path, stack: ExitStack) -> Callable[[bytes], object]:
    """Open the output, which ``stack`` closes, and return a function that writes to it."""
    if str(path) == "-":
        return write_bytes
    from ..storage.archive_output import open_output, sink_for

    sink = sink_for(*stack.enter_context(open_output(path, replace=True)))
    return lambda content: sink.write(memoryview(content))


def _earlier_runs(options: SyncOptions) -> EarlierRuns:
    from ..syncing.earlier_runs import EarlierRuns
    from ..syncing.planning import plan_header
    from ..syncing.report_file import read_report

    named = ((str(path), read_report(path)) for path in dict.fromkeys(options.since))
    return EarlierRuns.of(named, plan_header(options.request).options.to_json())


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
