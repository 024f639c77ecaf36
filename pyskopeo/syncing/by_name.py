"""Sync images by the names of their places, for the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..access import Access
from ..engine.plan import DEFAULT_FORM, Form
from ..engine.selection import Selection
from ..model.platform import Platform
from ..model.reference import Reference
from ..model.referrer import WantedReferrers
from ..signatures.signer import Signer
from .deletion_limit import NO_DELETION_LIMIT, DeletionLimit
from .mapping import Renaming
from .places import split_place
from .record import record_path
from .repository_selection import RepositorySelection, parse_registry_source
from .sync import sync
from .sync_request import IMAGES_AT_ONCE, OnRateLimit, SyncReport, SyncRequest, SyncSink, ignore
from .tag_selection import TagSelection


async def sync_images(
    source: str,
    destination: str,
    *,
    selection: Selection | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    semver: str | None = None,
    latest: int = 0,
    include_repositories: Sequence[str] = (),
    exclude_repositories: Sequence[str] = (),
    renaming: Sequence[str] | Mapping[str, str] = (),
    scoped: bool = False,
    append_suffix: str = "",
    form: Form = DEFAULT_FORM,
    referrers: WantedReferrers | None = None,
    signers: tuple[Signer, ...] = (),
    keep_going: bool = False,
    dry_run: bool = False,
    jobs: int = IMAGES_AT_ONCE,
    delete: bool = False,
    max_delete: int | str | None = None,
    on_rate_limit: OnRateLimit = "fail",
    report: SyncSink = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> SyncReport:
    """Copy all images of ``source`` that are missing or out of date at ``destination``, as the command ``sync`` does.

    ``source`` is ``docker://HOST/REPOSITORY[:TAG]``, ``registry:HOST[/PATH]`` for all repositories of a registry,
    ``dir:PATH``, ``oci:PATH``, ``docker-archive:PATH`` for all images in it, or ``yaml:FILE`` for a file that lists
    images as skopeo-sync(1) says; ``destination`` is ``docker://HOST[/PATH]``, ``dir:PATH`` or ``oci:PATH``. ``scoped``
    keeps the source's whole path below the destination, and ``append_suffix`` is appended to each name there.

    ``selection`` chooses among the images of an index; None: the one for this machine's architecture, on Linux.
    ``include`` and ``exclude`` are regular expressions that are searched for in an image's tag and in its full name,
    ``semver`` is a range of versions such as ``>= 1.2, < 3``, and ``latest`` the number of the newest versions that are
    copied of each repository, 0 for all. They must be the program's own: matching may take very long for some
    expressions. ``include_repositories`` and ``exclude_repositories`` are searched for in the names of the repositories
    of a whole registry. ``renaming`` are rules ``REGEX=REPLACEMENT``, or a mapping from one to the other, for names at
    the destination, see `RenamingRule`. ``form``, ``referrers`` and ``signers`` are as for `copy`.

    ``keep_going`` continues after an image has failed. ``dry_run`` lists the images and copies nothing. ``jobs`` is the
    maximum number of images copied concurrently. ``delete`` removes from the destination what a sync has copied there
    and what is gone at the source, unless it is more than ``max_delete``: a number, or a percentage such as ``5%``.
    ``on_rate_limit`` is what is done when a registry says that it allows no more requests for a while: ``wait`` for
    that, while images of other registries go on, or have its images ``fail``. ``report`` is called with every event, in
    the event loop.

    Returns the result of each image. Raises `SyncFailed`, which has them too, when a source could not be listed or an
    image not copied; `InvalidInput` and `InvalidName` for arguments that are wrong.
    """
    source_transport, source_place = split_place(source)
    destination_transport, destination_place = split_place(destination)
    writing = destination_access or Access.from_environ()
    request = SyncRequest(
        source_transport, source_place, destination_transport, destination_place,
        selection or Selection(Platform.host()), scoped, append_suffix,
        TagSelection.parse(include, exclude, latest, semver), form, keep_going, dry_run, jobs,
        record_path(destination_transport, destination_place, writing.storage.cache),
        referrers=referrers, signers=signers,
        repositories=RepositorySelection.parse(include_repositories, exclude_repositories),
        renaming=Renaming.parse(renaming), on_rate_limit=on_rate_limit, delete=delete,
        max_delete=NO_DELETION_LIMIT if max_delete is None else DeletionLimit.parse(str(max_delete)),
    )  # fmt: skip
    return await sync(request, source_access=source_access, destination_access=writing, report=report)


def registries_of(source: str, destination: str) -> Iterator[str]:
    """Yield the registries that a sync names, without those that a file lists; raises `InvalidName`."""
    transport, place = split_place(source)
    if transport == "docker":
        yield Reference.parse(place).registry
    elif transport == "registry":
        yield parse_registry_source(place)[0]
    transport, place = split_place(destination)
    if transport == "docker":
        yield place.partition("/")[0]
