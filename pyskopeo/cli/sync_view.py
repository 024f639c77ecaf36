"""The output of ``sync`` on standard error while it runs: skopeo's lines, or bars on a terminal."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..model.events import BlobProgress
from ..syncing.sync_request import ImageEvent, ImageFinished, ImagesListed, ImageStarted, LogMessage
from .command import program
from .log import emit_notice, log
from .logged_events import warnings_only
from .quantities import size
from .skopeo_steps import Steps
from .standard_streams import notice
from .terminal import has_cursor_control, has_rich

if TYPE_CHECKING:
    from ..model.digest import Digest
    from ..syncing.sync_request import SyncEvent, SyncImage, SyncReport, SyncSink
    from .copy_result import CopyNames

_INTERVAL = 10.0  # seconds
_GETTING = "Getting image source signatures"
_PRESENT = "Skipping: image already present at destination"


@contextmanager
def viewing(mode: str, names: CopyNames, *others: SyncSink) -> Iterator[SyncSink]:
    """Show the events of a run that copies the first of ``names`` to the second, and forward them to ``others``.

    ``mode`` is one of `MODES`, as in `reporting`.
    """
    with _view(mode, names) as show:

        def show_and_forward(event: SyncEvent) -> None:
            for other in others:
                other(event)
            show(event)

        yield show_and_forward


@contextmanager
def _view(mode: str, names: CopyNames) -> Iterator[SyncSink]:
    if mode == "json":
        from .json_events import print_sync_event, printing_failure

        with printing_failure():
            yield print_sync_event
    elif shows_bars(mode):
        from .sync_bars import Bars

        with Bars(names) as bars:
            yield bars.show
    else:
        yield show_warning if mode == "none" else Lines().show


def shows_bars(mode: str) -> bool:
    """Return whether bars are shown in a mode of `MODES`."""
    return has_cursor_control() if mode == "auto" else mode == "bars" and has_rich()


def show_end(mode: str, report: SyncReport) -> None:
    """Print the summary of a run in a mode of `MODES`."""
    if mode == "json":
        from .json_events import print_sync_finished

        print_sync_finished(report)
    elif mode != "none":
        from .sync_summary import show_summary

        show_summary(report)


def show_warning(event: SyncEvent) -> None:
    """Log what is a warning or an error, and ignore all other events of a run."""
    if isinstance(event, LogMessage) and event.level != "info":
        log(event.level, event.text, dict(event.fields))
    elif isinstance(event, ImageEvent):
        warnings_only(event.event)


class Lines:
    """Prints a line for each image and each error, and one every ten seconds during a transfer."""

    def __init__(self) -> None:
        self._bytes: defaultdict[SyncImage, dict[Digest, int]] = defaultdict(dict)
        self._finished = self._moved = self._number = 0
        self._shown = time.monotonic()

    def show(self, event: SyncEvent) -> None:
        """Show an event of the run."""
        if isinstance(event, LogMessage):
            if event.level == "info":
                self._inform(event.text, dict(event.fields))
            else:
                log(event.level, event.text, dict(event.fields))
        elif isinstance(event, ImageStarted):
            names = {"from": event.image.source, "to": event.image.destination}
            self._inform(f"Copying image ref {event.position}/{event.total}", names)
        elif isinstance(event, ImagesListed):
            self._number = len(event.listing.images)
        elif isinstance(event, ImageFinished):
            self._finished += 1
            self._moved += event.result.moved
            self._bytes.pop(event.result.image, None)
        elif isinstance(event, ImageEvent):
            warnings_only(event.event)
            if event.image is not None and isinstance(event.event, BlobProgress):
                self._show_bytes(event.image, event.event)

    def _show_bytes(self, image: SyncImage, event: BlobProgress) -> None:
        self._bytes[image][event.digest] = max(0, event.done - event.kept)
        if time.monotonic() - self._shown >= _INTERVAL:
            self._shown = time.monotonic()
            moved = self._moved + sum(sum(blobs.values()) for blobs in self._bytes.values())
            self._inform(f"{self._finished} of {self._number} images done, {size(moved)} moved")

    def _inform(self, text: str, fields: Mapping[str, str] | None = None) -> None:
        """Log an information; on a terminal print it as a sentence, or what is copied where."""
        if program() == "skopeo" or not sys.stderr.isatty():
            log("info", text, fields)
        elif not fields:
            emit_notice(text)
        elif "to" in fields:
            emit_notice(f"{fields['from']} -> {fields['to']}")


class ImageSteps:
    """Prints skopeo's lines about each image to standard output: together, when the image is finished.

    ``signatures`` is whether the line about signatures is among them.
    """

    def __init__(self, *, signatures: bool = True) -> None:
        self._signatures = signatures
        self._lines: defaultdict[SyncImage, list[str]] = defaultdict(list)
        self._steps: dict[SyncImage, Steps] = {}

    def __call__(self, event: SyncEvent) -> None:
        """Collect the lines of an event, and print those of an image that is finished."""
        if isinstance(event, ImageEvent) and event.image is not None:
            if event.image not in self._steps:
                self._steps[event.image] = Steps(
                    write=self._lines[event.image].append, signatures=self._signatures
                )
            self._steps[event.image](event.event)
        elif isinstance(event, ImageFinished):
            image = event.result.image
            self._steps.pop(image, None)
            lines = self._lines.pop(image, [])
            if event.result.status == "present":
                lines = [_GETTING, _PRESENT] if self._signatures else [_PRESENT]
            for line in lines:
                notice(line)
