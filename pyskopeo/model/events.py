"""What happens during a copy, as values; the command line draws them, a library user may too.

The fields are the schema of ``--progress=json``: one object a line, ``event`` naming the class.
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
    """How a blob came to be at the destination."""

    PRESENT = "present"
    LINKED = "linked"
    MOUNTED = "mounted"
    WRITTEN = "written"


@dataclass(frozen=True, slots=True)
class CopyPlanned:
    """All manifests are read: this is what there is to move. Sizes are bytes."""

    digest: Digest
    blobs: tuple[Descriptor, ...]
    total: int
    images: int


@dataclass(frozen=True, slots=True)
class BlobStarted:
    digest: Digest
    size: int
    kind: str


@dataclass(frozen=True, slots=True)
class BlobProgress:
    """``done`` bytes of ``size`` so far; sent a few times a second."""

    digest: Digest
    done: int
    size: int


@dataclass(frozen=True, slots=True)
class BlobFinished:
    digest: Digest
    size: int
    placement: Placement


@dataclass(frozen=True, slots=True)
class Converted:
    """A manifest had to change, so its digest did."""

    source: Digest
    digest: Digest


@dataclass(frozen=True, slots=True)
class ManifestWritten:
    digest: Digest
    size: int
    root: bool


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed and will be repeated after ``delay`` seconds."""

    what: str
    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class Warned:
    message: str


@dataclass(frozen=True, slots=True)
class Requested:
    """A request was sent and the head of its answer came, after ``seconds``; ``status`` 0 stands for none.

    ``url`` is without what may be secret; see `registry.origin.shown`.
    """

    method: str
    url: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Explained:
    """Why something is done as it is: which file was read, whose credentials are used. Never a secret."""

    message: str


@dataclass(frozen=True, slots=True)
class CopyFinished:
    """``moved`` bytes of blobs were read in ``seconds``."""

    digest: Digest
    moved: int
    seconds: float


Event: TypeAlias = (
    CopyPlanned
    | BlobStarted
    | BlobProgress
    | BlobFinished
    | Converted
    | ManifestWritten
    | Retrying
    | Warned
    | Requested
    | Explained
    | CopyFinished
)
Report: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The report of those who want none."""


def to_json(event: Event) -> dict[str, Any]:
    """The object that stands for an event on a line of ``--progress=json``."""
    fields: dict[str, Any] = {"event": type(event).__name__}
    if isinstance(event, CopyPlanned):
        blobs = [
            {"digest": str(blob.digest), "size": blob.size, "mediaType": blob.media_type} for blob in event.blobs
        ]
        return fields | {
            "digest": str(event.digest), "blobs": blobs, "total": event.total, "images": event.images,
        }
    for name, value in asdict(event).items():
        # asdict() takes nested values apart; the originals know how they are written.
        original = getattr(event, name)
        fields[name] = original.value if isinstance(original, Placement) else (
            str(original) if isinstance(original, Digest) else value
        )
    return fields
