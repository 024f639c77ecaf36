"""The events of a sync as JSON, from the workers to the program that runs it; images by their positions in the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    Converted,
    CopyPlanned,
    Event,
    Explained,
    ManifestWritten,
    Placement,
    ReferrersPlanned,
    Requested,
    Retrying,
    SignaturesWritten,
    Warned,
    to_json,
)
from ..syncing.record import Entry
from ..syncing.sync_request import (
    ImageEvent,
    ImageResult,
    ImageStarted,
    ImageWaiting,
    LogMessage,
    SyncEvent,
    SyncImage,
)


def encode_event(event: SyncEvent, positions: Mapping[SyncImage, int]) -> dict[str, Any] | None:
    """Return the JSON object of an event; None for one that only the worker needs.

    The result of an image is no event here, see `encode_result`.
    """
    if isinstance(event, ImageStarted):
        return {"kind": "started", "image": positions[event.image]}
    if isinstance(event, ImageWaiting):
        return {"kind": "waiting", "image": positions[event.image], "blobs": event.blobs}
    if isinstance(event, LogMessage) and event.level != "info":
        return {"kind": "log", "level": event.level, "text": event.text, "fields": list(event.fields)}
    if isinstance(event, ImageEvent) and not isinstance(event.event, Requested | Explained):
        position = None if event.image is None else positions[event.image]
        return {"kind": "copy", "image": position, "event": to_json(event.event)}
    return None


def decode_event(document: Mapping[str, Any], images: Sequence[SyncImage]) -> SyncEvent | None:
    """Return the event of a JSON object; None for one that is not known.

    Started images are number 1 of 1: which number they have in the run is not known to a worker.
    """
    kind = document["kind"]
    if kind == "log":
        fields = tuple((str(name), str(value)) for name, value in document["fields"])
        return LogMessage("error" if document["level"] == "error" else "warning", str(document["text"]), fields)
    position = document["image"]
    image = None if position is None else images[position]
    if kind == "copy":
        copied = _decode_copy_event(document["event"])
        return None if copied is None else ImageEvent(image, copied)
    if image is None:
        return None
    if kind == "waiting":
        return ImageWaiting(image, int(document["blobs"]))
    return ImageStarted(image, 1, 1) if kind == "started" else None


def encode_result(result: ImageResult, position: int, entry: Entry | None) -> dict[str, Any]:
    """Return the JSON object of an image's result, and of what is to be recorded of it."""
    return {
        "image": position,
        "status": result.status,
        "digest": None if result.digest is None else str(result.digest),
        "moved": result.moved,
        "seconds": result.seconds,
        "error": result.error,
        "sourceDigest": None if result.source_digest is None else str(result.source_digest),
        "entry": None if entry is None else entry.to_json(),
    }


def decode_result(document: Mapping[str, Any], images: Sequence[SyncImage]) -> tuple[ImageResult, Entry | None]:
    """Return the result of an image, and what is to be recorded of it."""
    entry = document["entry"]
    result = ImageResult(
        images[document["image"]],
        document["status"],
        _optional_digest(document, "digest"),
        int(document["moved"]),
        float(document["seconds"]),
        str(document["error"]),
        _optional_digest(document, "sourceDigest"),
    )
    return result, None if entry is None else Entry.from_json(entry)


def _digest(document: Mapping[str, Any], name: str = "digest") -> Digest:
    return Digest.parse(document[name])


def _optional_digest(document: Mapping[str, Any], name: str) -> Digest | None:
    return None if document[name] is None else _digest(document, name)


def _blobs(document: Mapping[str, Any]) -> tuple[Descriptor, ...]:
    return tuple(Descriptor(one["mediaType"], _digest(one), one["size"]) for one in document["blobs"])


_COPY_EVENTS: dict[str, Callable[[Mapping[str, Any]], Event]] = {
    "CopyPlanned": lambda d: CopyPlanned(_digest(d), _blobs(d), d["total"], d["images"]),
    "ReferrersPlanned": lambda d: ReferrersPlanned(
        tuple(map(Digest.parse, d["digests"])), _blobs(d), d["total"]
    ),
    "BlobStarted": lambda d: BlobStarted(_digest(d), d["size"], d["kind"]),
    "BlobProgress": lambda d: BlobProgress(_digest(d), d["done"], d["size"], d["kept"]),
    "BlobFinished": lambda d: BlobFinished(_digest(d), d["size"], Placement(d["placement"]), d["kept"]),
    "Converted": lambda d: Converted(_digest(d, "source"), _digest(d)),
    "ManifestWritten": lambda d: ManifestWritten(_digest(d), d["size"], d["root"]),
    "SignaturesWritten": lambda d: SignaturesWritten(_digest(d), d["count"], tuple(d["made"]), d["root"]),
    "Retrying": lambda d: Retrying(d["what"], d["reason"], d["delay"]),
    "Warned": lambda d: Warned(d["message"]),
}  # fmt: skip


def _decode_copy_event(document: Mapping[str, Any]) -> Event | None:
    decode = _COPY_EVENTS.get(document["event"])
    return None if decode is None else decode(document)
