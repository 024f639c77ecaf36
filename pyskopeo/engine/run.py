"""Copy an image: open both ends, plan, move the blobs, write the manifests, name the image.

Imports no transport, no file, no registry: two ends and a plan are all it knows.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

from ..errors import NoMatchingPlatform, PolicyRejected, first_error, saying
from ..fast_dataclass import dataclass
from ..model.events import Converted, CopyFinished, CopyPlanned, ManifestWritten, Placement, Report, ignore
from ..model.platform import Platform
from ..streams.concurrency import each
from .graph import read_graph
from .manifest_writer import MANIFESTS_AT_ONCE, write_manifests
from .plan import AS_IT_IS, Form
from .planner import decide
from .selection import Selection
from .transfer import SMALL_AT_ONCE, Transfer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ..access import Access
    from ..interfaces import ImageDestination, ImageReference, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .plan import Plan


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """What a copy is asked to do, besides its two ends.

    ``selection`` chooses among the images of an index; None: the one for this machine's architecture, on Linux.
    ``form`` says what may change on the way. ``jobs`` is the number of blobs moved at once, None leaves it to
    `carry_out`. ``dry_run`` plans and writes nothing. ``wrap`` puts a wrapper around the destination, so that
    several copies can share what they know.
    """

    selection: Selection | None = None
    form: Form = AS_IT_IS
    jobs: int | None = None
    dry_run: bool = False
    wrap: Callable[[ImageDestination], ImageDestination] | None = None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did; of a dry run, what it would do.

    ``source_digest`` is the digest of what the source's name refers to, an index's even where an image was chosen
    from it. ``digest`` is that of the root manifest at the destination. ``moved`` is the number of bytes of blobs
    that were written. ``placements`` is filled by a dry run: `PRESENT`, `MOUNTED` (unless the registry declines) or
    `WRITTEN` for each blob of the plan.
    """

    plan: Plan
    source_digest: Digest
    digest: Digest
    moved: int = 0
    placements: Mapping[Digest, Placement] = field(default_factory=dict)


async def copy(
    source: ImageReference,
    destination: ImageReference,
    options: CopyOptions,
    *,
    source_access: Access,
    destination_access: Access,
    report: Report = ignore,
) -> CopyResult:
    """Copy an image from one parsed name to another; every copy, dry run and sync goes through here.

    `CopyFinished` is reported when the destination is closed: an archive or a directory gets its name only then.
    Raises `PyskopeoError` and its kinds; a damaged policy is an error before anything is opened.
    """
    started = time.monotonic()
    async with _open_ends(source, destination, source_access, destination_access) as (reader, opened):
        writer = options.wrap(opened) if options.wrap else opened
        async with _prefetched(writer, wanted=not options.dry_run):
            check = partial(check_policy, source, source_access)
            plan = await _plan((source, reader), (destination, writer), options, check)
        assert plan.basis is not None
        named = plan.basis.graph.chosen_from or plan.source
        if options.dry_run:
            return CopyResult(plan, named, plan.root.digest, placements=await _foresee(plan, reader, writer))
        transfer = Transfer(reader, writer, report, options.jobs)
        digest = await _carry_out(plan, transfer)
    report(CopyFinished(digest, transfer.moved, round(time.monotonic() - started, 3)))
    return CopyResult(plan, named, digest, transfer.moved)


async def make_plan(
    source: ImageSource, destination: ImageDestination, selection: Selection, form: Form = AS_IT_IS
) -> Plan:
    """Read the source's manifests and decide what a copy does; nothing is written.

    Raises the source's errors, `NoMatchingPlatform`, `CannotPreserve` and `Unsupported`.
    """
    return decide(await read_graph(source, selection, destination.accepts, form), destination.accepts, form)


async def carry_out(
    plan: Plan, source: ImageSource, destination: ImageDestination, *, jobs: int | None = None, report: Report = ignore
) -> Digest:
    """Move all blobs of a plan, ``jobs`` at once, then write the manifests, then the root.

    By default as many large blobs are moved at once as there are processors, up to six while these are idle, and
    18 small ones besides, which mostly wait for the network.

    The first failure cancels the rest and is raised. Returns the digest of the root manifest at the destination.
    Raises what the two ends raise, and `InvalidInput` for ``jobs`` below 1.
    """
    started = time.monotonic()
    transfer = Transfer(source, destination, report, jobs)
    digest = await _carry_out(plan, transfer)
    report(CopyFinished(digest, transfer.moved, round(time.monotonic() - started, 3)))
    return digest


def check_policy(source: ImageReference, access: Access) -> None:
    """Raise `PolicyRejected` for an image that the policy refuses, and `InvalidInput` for a damaged policy."""
    policy = access.policy()
    with saying("Source image rejected"):
        policy.judge(source.subject(), source.image_name)


async def _carry_out(plan: Plan, transfer: Transfer) -> Digest:
    destination, report = transfer.destination, transfer.report
    report(CopyPlanned(plan.root.digest, plan.all_blobs, plan.total, plan.images))
    reported = None
    if plan.converted and not plan.changes:  # else the digest is not known yet
        reported = plan.root.digest
        report(Converted(plan.source, reported))
    with first_error():
        await destination.begin(plan.root)
        present = await _present_manifests(plan, destination)
        plan = await transfer.run(plan, present)
        plan, digest = await write_manifests(plan, transfer, present)
    if plan.converted and plan.root.digest != reported:
        report(Converted(plan.source, plan.root.digest))
    report(ManifestWritten(digest, len(plan.root.raw), root=True))
    return digest


@asynccontextmanager
async def _open_ends(
    source: ImageReference, destination: ImageReference, source_access: Access, destination_access: Access
) -> AsyncIterator[tuple[ImageSource, ImageDestination]]:
    source_access.policy()  # a damaged one lets nothing be read
    async with AsyncExitStack() as stack:
        with saying(f"initializing source {source.image_name}"):
            reader = await stack.enter_async_context(source.open_source(source_access))
        with saying(f"initializing destination {destination.image_name}"):
            writer = await stack.enter_async_context(destination.open_destination(destination_access))
        yield reader, writer


@asynccontextmanager
async def _prefetched(destination: ImageDestination, *, wanted: bool) -> AsyncIterator[None]:
    """Run `ImageDestination.prefetch` concurrently with the body."""
    from anyio import create_task_group

    if not wanted:
        yield
        return
    with first_error():
        async with create_task_group() as tasks:
            tasks.start_soon(destination.prefetch)
            yield


async def _plan(
    source: tuple[ImageReference, ImageSource],
    destination: tuple[ImageReference, ImageDestination],
    options: CopyOptions,
    check: Callable[[], None],
) -> Plan:
    """Plan for an image that ``check`` accepts; errors name the end they are about."""
    (name, reader), (destination_name, writer) = source, destination
    selection = options.selection or Selection(Platform.host())
    accepts = replace(writer.accepts, called=destination_name.image_name)
    try:
        with saying(f"initializing source {name.image_name}", unless=(NoMatchingPlatform, PolicyRejected)):
            graph = await read_graph(reader, selection, accepts, options.form, check)
    except NoMatchingPlatform as error:
        with saying(f"choosing an image from manifest list {name.image_name}"):
            raise error from None
    return decide(graph, accepts, options.form)


async def _foresee(plan: Plan, source: ImageSource, destination: ImageDestination) -> dict[Digest, Placement]:
    """Return how each blob of a plan would come to the destination, as far as that can be asked for."""
    unchanged = {blob.digest for blob in plan.blobs}  # others are made on the way, and lie nowhere yet
    placements: dict[Digest, Placement] = {}

    async def foresee(blob: Descriptor) -> None:
        if await destination.has_blob(blob):
            placements[blob.digest] = Placement.PRESENT
        elif blob.digest in unchanged and destination.would_mount(source.blob(blob)):
            placements[blob.digest] = Placement.MOUNTED
        else:
            placements[blob.digest] = Placement.WRITTEN

    await each(plan.all_blobs, foresee, at_once=SMALL_AT_ONCE)
    return placements


async def _present_manifests(plan: Plan, destination: ImageDestination) -> frozenset[Digest]:
    """Return the manifests that are at the destination already.

    An image is there with its blobs. A list need not be there with its images: a copy of one platform
    leaves such lists, so each of the images is looked for.
    """
    if plan.changes:
        return frozenset()
    found: set[Digest] = set()

    async def look(manifest: Manifest) -> None:
        if await destination.has_manifest(manifest):
            found.add(manifest.digest)

    await each((plan.root, *plan.manifests), look, at_once=MANIFESTS_AT_ONCE)
    return frozenset(found)
