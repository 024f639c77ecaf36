"""What a sync is asked to do, and what it says it did: values."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..engine.plan import AS_IT_IS, Form
from ..errors import InvalidInput, PyskopeoError, Unsupported
from ..fast_dataclass import dataclass
from .choosing import EVERYTHING, Choice

if TYPE_CHECKING:
    from ..access import Access
    from ..engine.selection import Selection
    from ..model.digest import Digest
    from ..model.events import Event

SOURCES = ("docker", "dir", "oci", "yaml")
DESTINATIONS = ("docker", "dir", "oci")
IMAGES_AT_ONCE = 8

Status: TypeAlias = Literal["copied", "present", "failed", "planned", "skipped"]
"""``present``: it was there already. ``planned``: would be copied, were this no dry run. ``skipped``: not begun,
or given up because something else failed."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """Which images to copy from where to where.

    ``source`` and ``destination`` are names without a transport, those are `SOURCES` and
    `DESTINATIONS`. ``scoped`` keeps the source's whole path below the destination, ``suffix`` is put
    behind each destination's name. ``jobs`` images are under way at once; whatever their number,
    they share the blobs that may move at once. ``record`` is a file that remembers which source
    each copy was made of, so that a question to the source's registry is enough to know that
    nothing is new; it may be lost. ``guard`` is entered around each use of a user's regular
    expression, which may need to be bounded in time.
    """

    source_transport: str
    source: str
    destination_transport: str
    destination: str
    selection: Selection
    scoped: bool = False
    suffix: str = ""
    choice: Choice = EVERYTHING
    form: Form = AS_IT_IS
    keep_going: bool = False
    dry_run: bool = False
    jobs: int = IMAGES_AT_ONCE
    record: Path | None = None
    guard: Callable[[], AbstractContextManager[None]] = nullcontext

    def check(self) -> None:
        """Raises `InvalidInput` for what cannot be done, with skopeo's words."""
        if not self.source_transport:
            raise InvalidInput("A source transport must be specified")
        if self.source_transport not in SOURCES:
            raise InvalidInput(f'"{self.source_transport}" is not a valid source transport')
        if not self.destination_transport:
            raise InvalidInput("A destination transport must be specified")
        if self.destination_transport not in DESTINATIONS:
            raise InvalidInput(f'"{self.destination_transport}" is not a valid destination transport')
        if self.source_transport == self.destination_transport == "dir":
            raise Unsupported("sync from 'dir' to 'dir' not implemented, consider using rsync instead")
        if self.jobs < 1:
            raise InvalidInput(f"{self.jobs} images at once are too few: want at least 1")


@dataclass(frozen=True, slots=True)
class SyncImage:
    """One image to be copied: ``source`` and ``destination`` are image names (``transport:details``).

    ``pinned`` is its digest, where the source's name has one: it never changes.
    """

    source: str
    destination: str
    pinned: Digest | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The images of one source: of a repository, a directory or a layout, with how it is reached."""

    images: tuple[SyncImage, ...]
    access: Access = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """All that is to be copied. ``failures`` are sources that could not be listed; they have been told of."""

    groups: tuple[Group, ...]
    failures: int = 0

    @property
    def images(self) -> tuple[SyncImage, ...]:
        return tuple(image for group in self.groups for image in group.images)


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of an image. ``digest`` is that of what is at the destination, ``moved`` bytes of blobs were read."""

    image: SyncImage
    status: Status
    digest: Digest | None = None
    moved: int = 0
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """A whole run: one result for each image, in the order of the listing, and ``seconds`` for all."""

    results: tuple[ImageResult, ...]
    sources: int
    listing_failures: int = 0
    seconds: float = 0.0

    def count(self, status: Status) -> int:
        return sum(result.status == status for result in self.results)

    @property
    def moved(self) -> int:
        return sum(result.moved for result in self.results)

    @property
    def failed(self) -> bool:
        return bool(self.listing_failures or self.count("failed"))


class SyncFailed(PyskopeoError):
    """A source could not be listed or an image could not be copied.

    ``report`` has the result of every image. Part of the tree in `errors`; it is defined here, since that
    module comes before `SyncReport`.
    """

    def __init__(self, message: str, *, report: SyncReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class Noted:
    """Something worth a line in a log: ``level`` as in logs, ``fields`` what it is about."""

    level: Literal["info", "warning", "error"]
    text: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """All sources have been listed: these images are to be copied, or would be."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class ImageStarted:
    """Image number ``position`` of the ``number`` of its source, both from 1."""

    image: SyncImage
    position: int
    number: int


@dataclass(frozen=True, slots=True)
class ImageMoving:
    """What happens during the copy of one image; ``image`` is None for what concerns a registry."""

    image: SyncImage | None
    event: Event


@dataclass(frozen=True, slots=True)
class ImageFinished:
    result: ImageResult


SyncEvent: TypeAlias = Noted | Listed | ImageStarted | ImageMoving | ImageFinished
SyncSink: TypeAlias = Callable[[SyncEvent], None]


def ignore(event: SyncEvent) -> None:
    """For those who want no events."""


class Tally:
    """Follows the events of a run, so that there is a report of it however it ends."""

    def __init__(self) -> None:
        self._listing, self._listed = Listing(()), False
        self._results: dict[SyncImage, ImageResult] = {}
        self._started = time.monotonic()

    def __call__(self, event: SyncEvent) -> None:
        if isinstance(event, Listed):
            self._listing, self._listed = event.listing, True
        elif isinstance(event, ImageFinished):
            self._results[event.result.image] = event.result

    @property
    def listed(self) -> bool:
        """Whether it is known what there is to copy."""
        return self._listed

    @property
    def report(self) -> SyncReport:
        """What is known now: an image that is not finished is ``skipped``."""
        results = [self._results.get(image) or ImageResult(image, "skipped") for image in self._listing.images]
        seconds = round(time.monotonic() - self._started, 3)
        return SyncReport(tuple(results), len(self._listing.groups), self._listing.failures, seconds)
