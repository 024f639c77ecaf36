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
    Report,
    Requested,
    Retrying,
    Warned,
    ignore,
    to_json,
)
from .log import debugging, line, log

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import ProgressColumn, Task, TaskID

    from ..model.digest import Digest

MODES = ("auto", "bars", "plain", "json", "none")
_INTERVAL = 10.0  # seconds between two lines about the same blob
_WIDE = 75  # columns for all the columns of a row
_MARGIN = 3


def size(count: float) -> str:
    """Format a number of bytes, such as ``1.5 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def span(seconds: float) -> str:
    """Format a duration in seconds, such as ``1m30s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


@contextmanager
def reporting(mode: str) -> Iterator[Report]:
    """Show the progress of one copy in a mode of `MODES`; ``auto`` is bars on a terminal, else plain lines."""
    if mode == "auto":
        mode = "bars" if sys.stderr.isatty() else "plain"
    if mode == "json":
        yield _json_line
    elif mode == "plain":
        yield Lines()
    elif mode == "bars":
        with Bars() as bars:
            yield bars
    else:
        yield warnings_only


def _json_line(event: Event) -> None:
    if isinstance(event, Requested | Explained) and not debugging():
        return
    print(json.dumps(to_json(event)), file=sys.stderr, flush=True)


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

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, CopyPlanned):
            self._say(f"Copying {len(event.blobs)} blobs, {size(event.total)}")
        elif isinstance(event, BlobStarted):
            self._kinds[event.digest] = "config" if event.kind == "config" else "blob"
            self._started[event.digest] = self._shown[event.digest] = now
        elif isinstance(event, BlobProgress) and now - self._shown[event.digest] >= _INTERVAL:
            self._shown[event.digest] = now
            self._say(f"{self._name(event.digest)} {_rate(event, now - self._started[event.digest])}")
        elif isinstance(event, BlobFinished):
            self._say(f"{self._name(event.digest)} {_outcome(event)}")
        elif isinstance(event, ManifestWritten) and event.root:
            self._say("Writing manifest to image destination")
        elif isinstance(event, Converted | CopyFinished):
            self._say(_line(event))
        else:
            warnings_only(event)

    def _name(self, digest: Digest) -> str:
        return f"Copying {self._kinds[digest]} {digest}"

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _outcome(event: BlobFinished) -> str:
    if event.placement is Placement.PRESENT:
        return "skipped: already exists"
    if event.placement is Placement.MOUNTED:
        return "mounted from another repository of the registry"
    return f"done, {size(event.size)}"


def _line(event: Converted | CopyFinished) -> str:
    if isinstance(event, Converted):
        return f"Converting {event.source} for the destination: its digest becomes {event.digest}"
    return f"Copied {event.digest}: {size(event.moved)} in {event.seconds:.1f}s"


def _rate(event: BlobProgress, seconds: float) -> str:
    speed = event.done / seconds if seconds > 0 else 0.0
    left = f", {span((event.size - event.done) / speed)} left" if speed else ""
    return f"{size(event.done)} of {size(event.size)}, {size(speed)}/s{left}"


class Bars:
    """Shows a bar for each blob in transfer and one for all, with bytes, speed and remaining time."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.constrain import Constrain
        from rich.progress import Progress

        used = self._console = console or Console(stderr=True, highlight=False)

        class NarrowProgress(Progress):
            def get_renderable(self) -> Constrain:
                # Leaves room for the ^C that a terminal echoes: it would wrap a full line, and displace the bars.
                return Constrain(super().get_renderable(), used.width - _MARGIN)

        self._wide = self._console.width >= _WIDE
        self._progress = NarrowProgress(*_columns(wide=self._wide), console=self._console, expand=True, transient=True)
        self._tasks: dict[Digest, TaskID] = {}
        self._names: dict[Digest, str] = {}
        self._done: dict[Digest, int] = {}
        self._planned = self._present = self._finished = 0
        self._expected: set[Digest] = set()
        self._total: TaskID | None = None

    @property
    def renderable(self) -> RenderableType:
        """The bars as they are shown now."""
        return self._progress.get_renderable()

    def __enter__(self) -> Self:
        # The bars start with the plan of the copy, which has the number of bytes.
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, CopyPlanned):
            self._planned, self._expected = event.total, {blob.digest for blob in event.blobs}
            self._total = self._progress.add_task("Total", total=event.total)
            self._progress.start()
        elif isinstance(event, BlobStarted):
            if event.digest not in self._expected:
                self._planned += event.size  # a blob that the copy itself makes, such as a converted configuration
            name = f"{'config' if event.kind == 'config' else 'blob'} {event.digest.short}"
            self._names[event.digest] = name
            self._tasks[event.digest] = self._progress.add_task(
                f"Copying {name}" if self._wide else name, total=event.size
            )
        elif isinstance(event, BlobProgress):
            self._progress.update(self._tasks[event.digest], completed=event.done)
            self._done[event.digest] = event.done
            self._update_total()
        elif isinstance(event, BlobFinished):
            self._finish(event)
        elif isinstance(event, Converted | CopyFinished):
            self._print(_line(event))
        elif isinstance(event, Warned | Retrying):
            self._print(line("warning", _warning(event)))
        elif isinstance(event, Requested | Explained) and debugging():
            self._print(line("debug", _detail(event)))

    def _finish(self, event: BlobFinished) -> None:
        self._done.pop(event.digest, None)
        if event.placement in (Placement.PRESENT, Placement.MOUNTED):
            # Not counted as moved, which would inflate the speed.
            self._present += event.size
        else:
            self._finished += event.size
        self._progress.remove_task(self._tasks.pop(event.digest))
        self._print(f"Copying {self._names.pop(event.digest)} {_outcome(event)}")
        self._update_total()

    def _update_total(self) -> None:
        if self._total is not None:
            done = self._finished + sum(self._done.values())
            self._progress.update(self._total, completed=done, total=self._planned - self._present)

    def _print(self, text: str) -> None:
        # Above the bars. Wrapped by the terminal, so that a digest can be copied in one piece.
        self._console.print(text, markup=False, soft_wrap=True)


def _columns(*, wide: bool) -> list[ProgressColumn]:
    """Return the columns of a row, fewer of them for a narrow terminal."""
    from rich.progress import BarColumn, DownloadColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{size(task.speed)}/s" if task.speed else "", style="progress.data.speed")

    basic: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True),
    ]
    return [*basic, Speed(), TimeRemainingColumn(compact=True)] if wide else basic
