"""The events of a copy: values passed to the ``report`` callback of `copy` and of `Access`.

Class and field names are also the schema of ``--progress=json``: one JSON object per line, whose
``event`` is the name of the class. All sizes are in bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from typing import Any, TypeAlias

from ..fast_dataclass import dataclass
from .descriptor import Descriptor
from .digest import Digest


class Placement(Enum):
    """How a blob came to be at the destination.

    It was there already, was hard-linked to a local file, was mounted from another repository of the same
    registry (distribution specification, "Mounting a blob from another repository"), or was written.
    """

    PRESENT = "present"
    LINKED = "linked"
    MOUNTED = "mounted"
    WRITTEN = "written"


@dataclass(frozen=True, slots=True)
class CopyPlanned:
    """All manifests have been read and the copy is planned.

    ``digest`` is that of the root manifest, which may still change when layers are recompressed.
    ``blobs`` are all blobs of the copy, those that are at the destination already included, and ``total``
    is their size. ``images`` is the number of image manifests.
    """

    digest: Digest
    blobs: tuple[Descriptor, ...]
    total: int
    images: int


@dataclass(frozen=True, slots=True)
class ReferrersPlanned:
    """What refers to the image has been read and is copied, too; after `CopyPlanned`, while blobs are copied already.

    ``digests`` are those of its manifests. ``blobs`` are its blobs besides those of the image, and ``total`` is their
    size.
    """

    digests: tuple[Digest, ...]
    blobs: tuple[Descriptor, ...]
    total: int


@dataclass(frozen=True, slots=True)
class BlobStarted:
    """The transfer of a blob of ``size`` bytes has started; ``kind`` is ``config`` or ``layer``."""

    digest: Digest
    size: int
    kind: str


@dataclass(frozen=True, slots=True)
class BlobProgress:
    """``done`` of ``size`` bytes have been transferred; sent a few times per second and blob.

    ``kept`` of them are bytes that an interrupted run had transferred.
    """

    digest: Digest
    done: int
    size: int
    kept: int = 0


@dataclass(frozen=True, slots=True)
class BlobFinished:
    """A blob is at the destination; ``digest`` and ``size`` are those of `BlobStarted`.

    ``kept`` is how many of its bytes an interrupted run had transferred, so that this one did not.
    """

    digest: Digest
    size: int
    placement: Placement
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Converted:
    """A manifest had to change: ``source`` is its digest at the source, ``digest`` the new one."""

    source: Digest
    digest: Digest


@dataclass(frozen=True, slots=True)
class ManifestWritten:
    """A manifest of ``size`` bytes was written; ``root`` is whether it is the one that gets the image's name."""

    digest: Digest
    size: int
    root: bool


@dataclass(frozen=True, slots=True)
class SignaturesWritten:
    """The ``count`` signatures of the manifest ``digest`` were written; ``root`` as in `ManifestWritten`.

    ``made`` says how those were made that the source did not have, in skopeo's words, in order.
    """

    digest: Digest
    count: int
    made: tuple[str, ...]
    root: bool


@dataclass(frozen=True, slots=True)
class Retrying:
    """``what`` failed for the given ``reason`` and will be retried after ``delay`` seconds."""

    what: str
    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something unexpected that does not stop the copy; ``message`` is one line."""

    message: str


@dataclass(frozen=True, slots=True)
class Requested:
    """The headers of the response to a request arrived, ``seconds`` after the request was sent.

    ``status`` is the HTTP status, or 0 without a response. ``url`` contains no secrets: its user
    information is removed and the values in its query are masked, unless they are known to be harmless.
    """

    method: str
    url: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Explained:
    """Debugging information, such as which file was read or whose credentials are used; never a secret."""

    message: str


@dataclass(frozen=True, slots=True)
class CopyFinished:
    """The copy is complete and the image has its name at the destination.

    ``digest`` is that of the root manifest there; ``moved`` bytes of blobs were transferred in ``seconds``.
    """

    digest: Digest
    moved: int
    seconds: float


Event: TypeAlias = (
    CopyPlanned
    | ReferrersPlanned
    | BlobStarted
    | BlobProgress
    | BlobFinished
    | Converted
    | ManifestWritten
    | SignaturesWritten
    | Retrying
    | Warned
    | Requested
    | Explained
    | CopyFinished
)
"""All events of a copy."""
Report: TypeAlias = Callable[[Event], None]
"""Is called with each event of a copy, in the event loop."""


def ignore(event: Event) -> None:
    """A `Report` that discards all events."""


def to_json(event: Event) -> dict[str, Any]:
    """Return the JSON object of an event, as ``--progress=json`` writes it on one line."""
    fields: dict[str, Any] = {"event": type(event).__name__}
    if isinstance(event, CopyPlanned | ReferrersPlanned):
        blobs = [
            {"digest": str(blob.digest), "size": blob.size, "mediaType": blob.media_type} for blob in event.blobs
        ]
        if isinstance(event, ReferrersPlanned):
            return fields | {"digests": [str(one) for one in event.digests], "blobs": blobs, "total": event.total}
        return fields | {
            "digest": str(event.digest), "blobs": blobs, "total": event.total, "images": event.images,
        }
    for name, value in asdict(event).items():
        # asdict() turns nested values into dictionaries; the original ones have a text form.
        original = getattr(event, name)
        fields[name] = original.value if isinstance(original, Placement) else (
            str(original) if isinstance(original, Digest) else value
        )
    return fields
