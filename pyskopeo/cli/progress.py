"""Progress on standard error: bars on a terminal, lines in a pipe, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from ..model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    Converted,
    CopyFinished,
    CopyPlanned,
    Event,
    Explained,
    ManifestWritten,
    Placement,
    ReferrersPlanned,
    Report,
    Requested,
    Retrying,
    SignaturesWritten,
    Warned,
    ignore,
    to_json,
)
from .live_rows import WIDTH, LiveRows, byte_columns
from .log import debugging, emit, emit_notice, line, log
from .skopeo_steps import WRITING, Steps, getting_line, signature_lines
from .terminal import has_cursor_control, has_rich

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import TaskID

    from ..model.digest import Digest

MODES = ("auto", "bars", "plain", "json", "none")
_INTERVAL = 10.0  # seconds between two lines about the same blob
_NAME_WIDTH = 12  # columns of a digest in a row


def size(count: float) -> str:
    """Format a number of bytes, such as ``1.5 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def quantity(count: int, noun: str) -> str:
    """Format a number of things, such as ``1 blob`` and ``2 blobs``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def span(seconds: float) -> str:
    """Format a duration in seconds, such as ``1m30s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


@contextmanager
def reporting(mode: str, *, steps: bool = False, signatures: bool = True) -> Iterator[Report]:
    """Show the progress of one copy in a mode of `MODES`; ``auto`` is bars on a terminal, else plain lines.

    Without rich, plain lines take the place of bars.

    ``steps`` is whether ``auto`` also prints skopeo's lines to a standard output that is no terminal, ``signatures``
    whether the one about signatures is among them.
    """
    steps = steps and mode == "auto" and not sys.stdout.isatty()
    if mode == "auto":
        mode = "bars" if has_cursor_control() else "none" if steps else "plain"
    elif mode == "bars" and not has_rich():
        mode = "plain"
    with _reporter(mode) as report:
        yield Steps(report, signatures=signatures) if steps else report


@contextmanager
def _reporter(mode: str) -> Iterator[Report]:
    if mode == "bars":
        with Bars() as bars:
            yield bars
    elif mode == "plain":
        yield Lines()
    else:
        yield _json_line if mode == "json" else warnings_only


def _json_line(event: Event) -> None:
    """Print an event; raises `BrokenPipeError`, unless the copy is complete, if the program that read them is gone."""
    if isinstance(event, Requested | Explained) and not debugging():
        return
    try:
        emit(json.dumps(to_json(event)))
    except BrokenPipeError:
        if not isinstance(event, CopyFinished):
            raise


def warnings_only(event: Event) -> None:
    """Log warnings and retries, and with ``--debug`` the details; ignore all other events."""
    if isinstance(event, Warned | Retrying):
        log("warning", _warning(event))
    elif isinstance(event, Requested | Explained):
        if debugging():
            log("debug", _detail(event))
    else:
        ignore(event)


def _detail(event: Requested | Explained) -> str:
    if isinstance(event, Explained):
        return event.message
    return f"{event.method} {event.url}: {event.status or 'no answer'} after {event.seconds * 1000:.0f} ms"


def _warning(event: Warned | Retrying) -> str:
    if isinstance(event, Warned):
        return event.message
    reason = event.reason.removeprefix(f"{event.what}: ")
    return f"{event.what}: failed, retrying in {event.delay:.1f}s. Error: {reason}"


class Lines:
    """Prints a line for each event, with skopeo's phrases, and one every ten seconds for a large blob."""

    def __init__(self) -> None:
        self._kinds: dict[Digest, str] = {}
        self._started: dict[Digest, float] = {}
        self._shown: dict[Digest, float] = {}
        self._signatures_of_root: list[str] = []

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, CopyPlanned):
            emit_notice(getting_line(event))
            emit_notice(f"Copying {quantity(len(event.blobs), 'blob')}, {size(event.total)}")
        elif isinstance(event, ReferrersPlanned):
            emit_notice(_referrers_line(event))
        elif isinstance(event, BlobStarted):
            self._kinds[event.digest] = "config" if event.kind == "config" else "blob"
            self._started[event.digest] = self._shown[event.digest] = now
        elif isinstance(event, BlobProgress) and now - self._shown[event.digest] >= _INTERVAL:
            self._shown[event.digest] = now
            emit_notice(f"{self._name(event.digest)} {_rate(event, now - self._started[event.digest])}")
        elif isinstance(event, BlobFinished):
            emit_notice(f"{self._name(event.digest)} {_outcome(event)}")
        elif isinstance(event, ManifestWritten) and event.root:
            for line in (WRITING, *self._signatures_of_root):
                emit_notice(line)
        elif isinstance(event, SignaturesWritten) and event.root:
            self._signatures_of_root = signature_lines(event, is_list=False)
        elif isinstance(event, Converted | CopyFinished):
            emit_notice(_line(event))
        else:
            warnings_only(event)

    def _name(self, digest: Digest) -> str:
        return f"Copying {self._kinds[digest]} {digest}"


def _referrers_line(event: ReferrersPlanned) -> str:
    number, blobs = len(event.digests), quantity(len(event.blobs), "blob")
    return f"Copying {quantity(number, 'referrer')} too: {blobs}, {size(event.total)}"


def _outcome(event: BlobFinished) -> str:
    if event.placement is Placement.PRESENT:
        return "skipped: already exists"
    if event.placement is Placement.MOUNTED:
        return "mounted from another repository of the registry"
    if event.placement is Placement.LINKED:
        return f"linked, {size(event.size)}"
    kept = f", {size(event.kept)} of it from an interrupted run" if event.kept else ""
    return f"done, {size(event.size)}{kept}"


def _line(event: Converted | CopyFinished) -> str:
    if isinstance(event, Converted):
        return f"Converting {event.source} for the destination: its digest becomes {event.digest}"
    return f"Copied {event.digest}: {size(event.moved)} in {event.seconds:.1f}s"


def _rate(event: BlobProgress, seconds: float) -> str:
    speed = max(0, event.done - event.kept) / seconds if seconds > 0 else 0.0
    left = f", {span((event.size - event.done) / speed)} left" if speed else ""
    return f"{size(event.done)} of {size(event.size)}, {size(speed)}/s{left}"


class Bars:
    """Shows a bar for each blob in transfer and one for all, with bytes, speed and remaining time."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._console = console or Console(stderr=True, highlight=False)
        # Never started: what it renders is shown by `rows`.
        self._progress = Progress(console=self._console, expand=True, auto_refresh=False)
        self._columns = {wide: byte_columns(size, wide=wide) for wide in (False, True)}
        self.rows = LiveRows(self._console, self._render)
        self._tasks: dict[Digest, TaskID] = {}
        self._names: dict[Digest, str] = {}
        self._done: dict[Digest, int] = {}
        self._kept: dict[Digest, int] = {}  # of those, from an interrupted run
        self._counted_kept = 0
        self._planned = self._present = self._finished = 0
        self._expected: set[Digest] = set()
        self._total: TaskID | None = None

    def _render(self) -> RenderableType:
        """Return the rows; on a terminal that is not twice as wide, only that of the total has all columns."""
        width, half = self.rows.width, self.rows.half
        self._progress.columns = self._columns[width == WIDTH]
        if half == width:
            return self._progress.get_renderable()
        from rich.console import Group
        from rich.constrain import Constrain

        total, *blobs = self._progress.tasks
        first = self._progress.make_tasks_table([total])
        self._progress.columns = self._columns[False]
        return Group(first, Constrain(self._progress.make_tasks_table(blobs), half))

    @property
    def renderable(self) -> RenderableType:
        """The bars as they are shown now."""
        return self._render()

    def __enter__(self) -> Self:
        # The bars start with the plan of the copy, which has the number of bytes.
        return self

    def __exit__(self, *_: object) -> None:
        self.rows.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, CopyPlanned | ReferrersPlanned):
            self._plan(event)
        elif isinstance(event, BlobStarted):
            if event.digest not in self._expected:
                self._planned += event.size  # a blob that the copy itself makes, such as a converted configuration
            name = f"{'config' if event.kind == 'config' else 'blob'} {event.digest.short}"
            self._names[event.digest] = name
            self._tasks[event.digest] = self._progress.add_task(event.digest.short, total=event.size)
        elif isinstance(event, BlobProgress):
            self._done[event.digest] = event.done
            kept = self._kept[event.digest] = min(event.done, event.kept)
            self._update(self._tasks[event.digest], event.done, event.size, moved=event.done > kept or not kept)
            self._update_total()
        elif isinstance(event, BlobFinished):
            self._finish(event)
        elif isinstance(event, CopyFinished):
            self.rows.stop()
            self.rows.print(_line(event))
        elif isinstance(event, Converted):
            self.rows.print(_line(event))
        elif isinstance(event, Warned | Retrying):
            self.rows.print(line("warning", _warning(event)))
        elif isinstance(event, Requested | Explained) and debugging():
            self.rows.print(line("debug", _detail(event)))

    def _plan(self, event: CopyPlanned | ReferrersPlanned) -> None:
        self._planned += event.total
        self._expected |= {blob.digest for blob in event.blobs}
        if isinstance(event, CopyPlanned):
            self._total = self._progress.add_task(f"{'Total':<{_NAME_WIDTH}}", total=event.total)
            self.rows.start()
        else:
            self._update_total()

    def _finish(self, event: BlobFinished) -> None:
        self._done.pop(event.digest, None)
        if event.placement in (Placement.PRESENT, Placement.MOUNTED):
            # Not counted as moved, which would inflate the speed.
            self._present += event.size
        else:
            self._finished += event.size
        self._progress.remove_task(self._tasks.pop(event.digest))
        self._update_total()
        self.rows.print(f"Copying {self._names.pop(event.digest)} {_outcome(event)}")

    def _update_total(self) -> None:
        if self._total is not None:
            done = self._finished + sum(self._done.values())
            kept = sum(self._kept.values())
            self._update(self._total, done, self._planned - self._present, moved=kept <= self._counted_kept)
            self._counted_kept = max(kept, self._counted_kept)

    def _update(self, task: TaskID, done: int, total: int, *, moved: bool) -> None:
        """Set the bytes of a row; unless they were ``moved`` by this run, its speed is measured from now on only."""
        if moved:
            self._progress.update(task, completed=done, total=total)
        else:
            self._progress.reset(task, completed=done, total=total)
