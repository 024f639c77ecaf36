"""Progress for programs: one JSON object a line on standard error, as docs/reference/events.schema.json says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import PyskopeoError
from ..model.events import CopyFinished, Event, Explained, Requested, to_json
from .log import debugging, emit, without_passwords

if TYPE_CHECKING:
    from ..syncing.planning import PlanTotals
    from ..syncing.sync_request import ImageResult, SyncEvent, SyncImage, SyncReport
    from .copy_result import CopyNames

VERSION = 1
"""Of the schema; it grows when a field is removed or gets another meaning, not with new fields and events."""


def print_event(event: Event, names: CopyNames | None = None) -> None:
    """Print an event of the copy of an image, with the names of both ends where they are known.

    Raises `BrokenPipeError`, unless the copy is complete, if the program that read them is gone.
    """
    if isinstance(event, Requested | Explained) and not debugging():
        return
    _print(to_json(event), names, is_last=isinstance(event, CopyFinished))


@contextmanager
def printing_failure(names: CopyNames | None = None) -> Iterator[None]:
    """Print an event for an error that is raised within the block."""
    try:
        yield
    except PyskopeoError as error:
        _print({"event": "Failed", "message": without_passwords(str(error))}, names, is_last=True)
        raise


def print_sync_event(event: SyncEvent) -> None:
    """Print an event of a run over many images; raises `BrokenPipeError` if the program that read them is gone."""
    from ..syncing.sync_request import ImageEvent, ImageFinished, ImagesListed, ImageStarted, ImageWaiting

    if isinstance(event, ImageEvent):
        print_event(event.event, _names(event.image))
    elif isinstance(event, ImagesListed):
        images = [_image_fields(image) for image in event.listing.images]
        _print({"event": "ImagesListed", "images": images, "failures": event.listing.failures})
    elif isinstance(event, ImageStarted):
        position = {"position": event.position, "total": event.total}
        _print({"event": "ImageStarted", **position}, _names(event.image))
    elif isinstance(event, ImageWaiting):
        _print({"event": "ImageWaiting", "blobs": event.blobs}, _names(event.image))
    elif isinstance(event, ImageFinished):
        _print({"event": "ImageFinished", **_result_fields(event.result)}, _names(event.result.image))
    else:
        message = without_passwords(event.text)
        _print({"event": "LogMessage", "level": event.level, "message": message, "fields": dict(event.fields)})


def print_sync_finished(report: SyncReport) -> None:
    """Print the last event of a run over many images."""
    from collections import Counter
    from typing import get_args

    from ..syncing.sync_request import Status

    statuses = Counter(result.status for result in report.results)
    counts = {status: statuses[status] for status in get_args(Status)}
    rest = {"listingFailures": report.listing_failures, "moved": report.moved, "seconds": report.seconds}
    _print({"event": "SyncFinished", **counts, **rest}, is_last=True)


def print_plan_finished(totals: PlanTotals) -> None:
    """Print the last event of making a plan."""
    counts = {"images": totals.images, "unchanged": totals.unchanged, "repositories": totals.repositories}
    rest = {"bytes": totals.size, "unsized": totals.unsized, "requests": totals.requests, "failures": totals.failures}
    _print({"event": "PlanFinished", **counts, **rest}, is_last=True)


def _names(image: SyncImage | None) -> CopyNames | None:
    from .copy_result import CopyNames

    return None if image is None else CopyNames(image.source, image.destination)


def _image_fields(names: CopyNames | SyncImage) -> dict[str, str]:
    return {"image": names.source} | ({"destination": names.destination} if names.destination else {})


def _result_fields(result: ImageResult) -> dict[str, Any]:
    return {
        "status": result.status,
        "digest": None if result.digest is None else str(result.digest),
        "moved": result.moved,
        "seconds": result.seconds,
        "error": without_passwords(result.error) or None,
    }


def _print(fields: dict[str, Any], names: CopyNames | None = None, *, is_last: bool = False) -> None:
    """Print an event with the version of the schema, the time and the names; nobody has to read the last one."""
    now = time.time()
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}Z"
    common = {"event": fields.pop("event"), "version": VERSION, "time": moment}
    line = json.dumps(common | ({} if names is None else _image_fields(names)) | fields)
    try:
        emit(line)
    except BrokenPipeError:
        if not is_last:
            raise
