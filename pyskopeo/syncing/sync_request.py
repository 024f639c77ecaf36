"""The values of a sync: request, images, results, events."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..engine.plan import DEFAULT_FORM, Form
from ..errors import InvalidInput, PyskopeoError, Unsupported
from ..fast_dataclass import dataclass, replace
from .deletion_limit import NO_DELETION_LIMIT, DeletionLimit
from .mapping import NO_RENAMING, Renaming
from .repository_selection import ALL_REPOSITORIES, RepositorySelection
from .tag_selection import ALL_TAGS, TagSelection

if TYPE_CHECKING:
    from ..access import Access
    from ..engine.selection import Selection
    from ..model.digest import Digest
    from ..model.events import Event
    from ..model.referrer import WantedReferrers
    from ..signatures.signer import Signer
    from .source_contents import SourceContents

SOURCES = ("docker", "registry", "dir", "oci", "docker-archive", "yaml")
DESTINATIONS = ("docker", "dir", "oci")
IMAGES_AT_ONCE = 8

Status: TypeAlias = Literal["copied", "present", "failed", "planned", "skipped", "deleted", "obsolete"]
"""``present``: it was at the destination already. ``planned``: would be copied, in a dry run. ``skipped``: not started,
or cancelled because something else failed. ``deleted``: it was gone at the source. ``obsolete``: it would be deleted,
in a dry run."""

OnRateLimit: TypeAlias = Literal["wait", "fail"]
"""What is done when a registry says that it allows no more requests for a while."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """Which images to copy, from where to where, and how (skopeo-sync(1)).

    ``source_transport`` is one of `SOURCES`, ``destination_transport`` one of `DESTINATIONS`; ``source`` and
    ``destination`` are names without a transport. ``selection`` chooses among the images of an index,
    ``tag_selection`` among the listed images. ``scoped`` keeps the source's whole path below the destination,
    ``suffix`` is appended to each name at the destination. ``form`` is the manifest format. ``keep_going`` continues
    after an image has failed. ``dry_run`` lists the images and copies nothing. ``signers`` sign each image, as its name
    at the destination; then no image is taken for present.

    ``jobs`` is the maximum number of images copied concurrently; the limit for concurrent blobs applies to all of them
    together. ``record`` is a file that records the source of each copy, so that one request to the source's registry
    tells whether an image has changed, and that an image in a directory or a layout is a copy of the same source, which
    may be replaced; None keeps none. ``guard`` returns a context manager that bounds the time of
    matching a user's regular expressions. ``referrers`` is what is copied, or required, of what refers to each image.

    ``repositories`` chooses among those of a whole registry, the source ``registry``; ``renaming`` are rules for names
    at the destination, which come before ``scoped``.

    ``on_rate_limit`` is what is done when a registry says that it allows no more requests for a while: ``wait`` has the
    images of other registries go on, and those of this one when that time is over; ``fail`` has the image fail.

    ``delete`` removes images from the destination that a sync has copied there, as ``record`` says, and that are gone
    at the source now; if they are more than ``max_delete`` allows, none of them.
    """

    source_transport: str
    source: str
    destination_transport: str
    destination: str
    selection: Selection
    scoped: bool = False
    suffix: str = ""
    tag_selection: TagSelection = ALL_TAGS
    form: Form = DEFAULT_FORM
    keep_going: bool = False
    dry_run: bool = False
    jobs: int = IMAGES_AT_ONCE
    record: Path | None = None
    guard: Callable[[], AbstractContextManager[None]] = nullcontext
    referrers: WantedReferrers | None = None
    signers: tuple[Signer, ...] = ()
    repositories: RepositorySelection = ALL_REPOSITORIES
    renaming: Renaming = NO_RENAMING
    on_rate_limit: OnRateLimit = "fail"
    delete: bool = False
    max_delete: DeletionLimit = NO_DELETION_LIMIT

    def check(self) -> None:
        """Raise `InvalidInput` for an impossible combination, in skopeo's words."""
        if not self.source_transport:
            raise InvalidInput(f"A source transport must be specified: --src {_one_of(SOURCES)}")
        if self.source_transport not in SOURCES:
            raise InvalidInput(f'"{self.source_transport}" is not a valid source transport: want {_one_of(SOURCES)}')
        if not self.destination_transport:
            raise InvalidInput(f"A destination transport must be specified: --dest {_one_of(DESTINATIONS)}")
        if self.destination_transport not in DESTINATIONS:
            raise InvalidInput(
                f'"{self.destination_transport}" is not a valid destination transport: want {_one_of(DESTINATIONS)}'
            )
        if self.source_transport == self.destination_transport == "dir":
            raise Unsupported("sync from 'dir' to 'dir' not implemented, consider using rsync instead")
        if self.jobs < 1:
            raise InvalidInput(f"{self.jobs} images at once are too few: want at least 1")
        if self.repositories and self.source_transport != "registry":
            raise InvalidInput("repositories are chosen of a whole registry only: want --src registry")
        if not self.delete and self.max_delete != NO_DELETION_LIMIT:
            raise InvalidInput("a limit on deletions goes with deletion only: want --delete")
        self._check_referrers()

    def _check_referrers(self) -> None:
        wanted = self.referrers
        if wanted is None or not wanted.any:
            return
        sides = [self.source_transport]
        if wanted.copied or wanted.cosign_tags:
            sides.append(self.destination_transport)
        if lacking := [transport for transport in ("dir", "docker-archive") if transport in sides]:
            raise Unsupported(f"what refers to an image is not in {lacking[0]}: choose a registry or an OCI layout")

    def selection_of(self, image: SyncImage) -> Selection:
        """Return which images of the index of ``image`` to copy."""
        return replace(self.selection, mode="all") if image.whole else self.selection


def _one_of(transports: tuple[str, ...]) -> str:
    return f"{', '.join(transports[:-1])} or {transports[-1]}"


@dataclass(frozen=True, slots=True)
class SyncImage:
    """One image to copy; ``source`` and ``destination`` are image names (``transport:details``).

    ``pinned`` is the digest that is copied, if it is in the source's name or in a plan: what it refers to never
    changes. ``whole`` is whether it is copied with everything in its index, whatever images are selected, since it
    belongs to another image: the tag is one of the tag schema of referrers, or cosign's. ``present`` is the digest at
    the destination if a plan says that it is there: then nobody is asked.
    """

    source: str
    destination: str
    pinned: Digest | None = None
    whole: bool = False
    present: Digest | None = None


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """The images of one repository, directory or layout, and the access to read them with."""

    images: tuple[SyncImage, ...]
    access: Access = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """All images to copy. ``failures`` is the number of sources that could not be listed; the errors were reported.

    ``contents`` is what the sources have altogether, None unless something is to be deleted.
    """

    groups: tuple[ImageGroup, ...]
    failures: int = 0
    contents: SourceContents | None = None

    @property
    def images(self) -> tuple[SyncImage, ...]:
        """The images of all groups, in order."""
        return tuple(image for group in self.groups for image in group.images)


@dataclass(frozen=True, slots=True)
class ImageResult:
    """The result of one image.

    ``digest`` is that of the root manifest at the destination, if known. ``moved`` is the size in bytes of the blobs
    written. ``error`` is the message of a failure, else "". ``source_digest`` is that of the root manifest at the
    source, which differs where one image was chosen from a list, if known.
    """

    image: SyncImage
    status: Status
    digest: Digest | None = None
    moved: int = 0
    seconds: float = 0.0
    error: str = ""
    source_digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The result of a run: one result for each image, in the order of the listing.

    ``sources`` is the number of repositories, directories or layouts, ``listing_failures`` that of sources that could
    not be listed. ``seconds`` is the time of the whole run.
    """

    results: tuple[ImageResult, ...]
    sources: int
    listing_failures: int = 0
    seconds: float = 0.0

    def count(self, status: Status) -> int:
        """Return the number of images with a status."""
        return sum(result.status == status for result in self.results)

    @property
    def moved(self) -> int:
        """Size in bytes of all blobs written."""
        return sum(result.moved for result in self.results)

    @property
    def failed(self) -> bool:
        """Whether a source could not be listed or an image not copied."""
        return bool(self.listing_failures or self.count("failed"))


class SyncFailed(PyskopeoError):
    """A source could not be listed or an image could not be copied.

    ``report`` has the result of every image. Part of the tree in `errors`; it is defined here, since that
    module comes before `SyncReport`. ``exit_code`` is that of the failure that ended the run. If it went on,
    it is 1, or that of `Offline` where no request was allowed.
    """

    def __init__(self, message: str, *, report: SyncReport, exit_code: int = 1) -> None:
        super().__init__(message)
        self.report, self.exit_code = report, exit_code


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A line for the log; ``fields`` are key-value pairs that say what it is about."""

    level: Literal["info", "warning", "error"]
    text: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ImagesListed:
    """All sources have been listed; in a dry run, nothing will be copied."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class ImageStarted:
    """Work on an image starts; it is number ``position``, from 1, of the ``total`` in its group."""

    image: SyncImage
    position: int
    total: int


@dataclass(frozen=True, slots=True)
class ImageEvent:
    """An event of one image's copy; ``image`` is None for events of a registry, such as requests and retries."""

    image: SyncImage | None
    event: Event


@dataclass(frozen=True, slots=True)
class ImageWaiting:
    """So many ``blobs`` of an image wait for other images, which copy the same ones or as many as may be."""

    image: SyncImage
    blobs: int


@dataclass(frozen=True, slots=True)
class ImageFinished:
    """An image was copied, was present, has failed, or is only planned."""

    result: ImageResult


SyncEvent: TypeAlias = LogMessage | ImagesListed | ImageStarted | ImageEvent | ImageWaiting | ImageFinished
"""All events of a sync."""
SyncSink: TypeAlias = Callable[[SyncEvent], None]
"""Is called with each event of a sync, in the event loop."""


def ignore(event: SyncEvent) -> None:
    """A `SyncSink` that discards all events."""


class ReportBuilder:
    """A `SyncSink` that builds the report of a run from its events, so that there is one however the run ends."""

    def __init__(self) -> None:
        self._listing, self._listed = Listing(()), False
        self._results: dict[SyncImage, ImageResult] = {}
        self._started = time.monotonic()

    def __call__(self, event: SyncEvent) -> None:
        if isinstance(event, ImagesListed):
            self._listing, self._listed = event.listing, True
        elif isinstance(event, ImageFinished):
            self._results[event.result.image] = event.result

    @property
    def listed(self) -> bool:
        """Whether all sources have been listed."""
        return self._listed

    @property
    def report(self) -> SyncReport:
        """The report so far; images that are not finished are ``skipped``."""
        results = [self._results.get(image) or ImageResult(image, "skipped") for image in self._listing.images]
        listed = frozenset(self._listing.images)
        results += [result for image, result in self._results.items() if image not in listed]  # those to be deleted
        seconds = round(time.monotonic() - self._started, 3)
        return SyncReport(tuple(results), len(self._listing.groups), self._listing.failures, seconds)
