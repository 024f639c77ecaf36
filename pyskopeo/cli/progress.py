"""Progress on standard error: bars on a terminal, lines in a pipe, JSON for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    Converted,
    CopyFinished,
    CopyPlanned,
    Event,
    ManifestWritten,
    Placement,
    ReferrersPlanned,
    Report,
    SignaturesWritten,
)
from .copy_result import CopyNames, converted_line
from .flags import Flag
from .log import emit_notice
from .logged_events import warnings_only
from .quantities import quantity, size, span
from .skopeo_steps import WRITING, Steps, getting_line, signature_lines
from .terminal import has_cursor_control, has_rich

if TYPE_CHECKING:
    from ..model.digest import Digest

MODES = ("auto", "bars", "plain", "json", "none")
PROGRESS = Flag(
    "progress", f"how to show progress: {', '.join(MODES)} (default: auto)", value="MODE", default="auto",
    choices=MODES, group="output",
)  # fmt: skip
_INTERVAL = 10.0  # seconds between two lines about the same blob


@contextmanager
def reporting(
    mode: str, names: CopyNames | None = None, *, steps: bool = False, signatures: bool = True
) -> Iterator[Report]:
    """Show the progress of one copy in a mode of `MODES`; ``auto`` is bars on a terminal, else plain lines.

    Without rich, plain lines take the place of bars. ``names`` are what is copied where.

    ``steps`` is whether ``auto`` also prints skopeo's lines to a standard output that is no terminal, ``signatures``
    whether the one about signatures is among them.
    """
    steps = steps and mode == "auto" and not sys.stdout.isatty()
    if mode == "auto":
        mode = "bars" if has_cursor_control() else "none" if steps else "plain"
    elif mode == "bars" and not has_rich():
        mode = "plain"
    with _reporter(mode, names) as report:
        yield Steps(report, signatures=signatures) if steps else report


@contextmanager
def _reporter(mode: str, names: CopyNames | None) -> Iterator[Report]:
    if mode == "bars":
        from .copy_bars import Bars

        with Bars(warnings_only, names) as bars:
            yield bars
    elif mode == "json":
        from .json_events import print_event, printing_failure

        with printing_failure(names):
            yield lambda event: print_event(event, names)
    else:
        yield Lines() if mode == "plain" else warnings_only


def registry_report(mode: str) -> Report:
    """Return what shows the events of a registry that belong to no image, in a mode of `MODES`."""
    if mode != "json":
        return warnings_only
    from .json_events import print_event

    return print_event


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
        return converted_line(event)
    return f"Copied {event.digest}: {size(event.moved)} in {event.seconds:.1f}s"


def _rate(event: BlobProgress, seconds: float) -> str:
    speed = max(0, event.done - event.kept) / seconds if seconds > 0 else 0.0
    left = f", {span((event.size - event.done) / speed)} left" if speed else ""
    return f"{size(event.done)} of {size(event.size)}, {size(speed)}/s{left}"
