"""Copy an image: open both ends, plan, move the blobs, write the manifests, name the image.

Independent of transports, files and registries: it uses `ImageSource` and `ImageDestination` only.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from ..errors import NoMatchingPlatform, PolicyRejected, first_error, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..model.events import Converted, CopyFinished, CopyPlanned, ManifestWritten, Placement, Report, Warned, ignore
from ..model.platform import Platform
from ..streams.concurrency import each
from .attachments import Attachments, check_signatures
from .graph import read_graph
from .manifest_writer import MANIFESTS_AT_ONCE, write_manifests
from .plan import DEFAULT_FORM, Form
from .planner import decide
from .policy_check import ImageCheck
from .selection import Selection
from .signing import NO_SIGNING, Signing
from .transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ..access import Access
    from ..interfaces import ImageDestination, ImageReference, ImageSource
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..model.referrer import WantedReferrers
    from ..signatures.signer import Signer
    from .graph import Check
    from .plan import Plan
    from .referrer_copy import ReferrerCopy
    from .referrer_reading import CopiedReferrer


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """Options of a copy.

    ``selection`` chooses among the images of an index; None: the one for this machine's architecture, on Linux.
    ``form`` is the manifest format and layer compression. ``jobs`` is the maximum number of blobs copied concurrently,
    None for the default of `carry_out`. ``dry_run`` plans and writes nothing. ``layers`` False leaves the layers out,
    for destinations with `Accepts.sparse`. ``wrap`` returns a wrapper of the destination, with which several copies can
    share state.

    ``signers`` sign every manifest as it is written, as the image ``sign_identity``; None: as the destination's name,
    which has to be one in a registry then. ``referrers`` is what is copied, or required, of what refers to the image
    and to the images in its index.
    """

    selection: Selection | None = None
    form: Form = DEFAULT_FORM
    jobs: int | None = None
    dry_run: bool = False
    layers: bool = True
    wrap: Callable[[ImageDestination], ImageDestination] | None = None
    signers: tuple[Signer, ...] = ()
    sign_identity: Reference | None = None
    referrers: WantedReferrers | None = None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """Result of a copy, or prediction of a dry run.

    ``plan`` is the plan as it was carried out. ``source_digest`` is the digest of what the source's name refers to: the
    index's where an image was chosen from one. ``digest`` is that of the root manifest at the destination. ``moved`` is
    the size in bytes of the blobs that were written. ``placements`` is set by a dry run: `PRESENT`, `MOUNTED` (unless
    the registry declines), `LINKED` (the content store has it) or `WRITTEN` for each blob of the plan, by digest.
    ``referrers`` are copied with the image; ``written_referrers`` of them were not at the destination before.
    """

    plan: Plan
    source_digest: Digest
    digest: Digest
    moved: int = 0
    placements: Mapping[Digest, Placement] = field(default_factory=dict)
    referrers: tuple[CopiedReferrer, ...] = ()
    written_referrers: int = 0


async def copy(
    source: ImageReference,
    destination: ImageReference,
    options: CopyOptions,
    *,
    source_access: Access,
    destination_access: Access,
    report: Report = ignore,
) -> CopyResult:
    """Copy an image from one parsed image name to another; every copy, dry run and sync calls this.

    `CopyFinished` is reported after the destination was closed, since an archive or a directory gets its name only
    then. Raises `PyskopeoError` and its subclasses; an invalid policy file is an error before anything is opened.
    """
    started = time.monotonic()
    if not options.layers and source.reference is not None:
        writing = replace(destination_access.writing, recorded_source=source.reference.name)
        destination_access = replace(destination_access, writing=writing)
    async with _open_ends(source, destination, source_access, destination_access) as (reader, opened):
        writer = options.wrap(opened) if options.wrap else opened
        signing = Signing.of(options.signers, options.sign_identity, destination, writer)
        referrers = None
        if options.referrers is not None and options.referrers.any:
            from .referrer_copy import ReferrerCopy

            with prefix_errors(destination.image_name):
                referrers = ReferrerCopy(reader, writer, options.referrers, report, options.jobs)
        async with _prefetched(writer, wanted=not options.dry_run):
            alone = options.selection is not None and options.selection.mode == "index-only"
            check = ImageCheck(source, reader, source_access, options.form, alone=alone)
            offline = source_access.network.offline
            plan = await _plan((source, reader), (destination, writer), options, check, report, offline=offline)
        assert plan.inputs is not None
        source_digest = plan.inputs.graph.chosen_from or plan.source
        if options.dry_run:
            from .placements import predict_placements

            placements = await predict_placements(plan, reader, writer)
            if referrers is not None:
                await referrers.prepare(plan)
                if referrers.found:
                    placements |= await predict_placements(referrers.plan(), referrers.content, writer)
            return CopyResult(
                plan, source_digest, plan.root.digest, placements=placements, referrers=_found(referrers)
            )  # fmt: skip
        await signing.prepare()
        transfer = Transfer(reader, writer, report, options.jobs)
        attachments = _attachments(plan, report, signing, referrers)
        async with nullcontext() if referrers is None else referrers.beside(plan):
            plan, digest = await _carry_out(plan, transfer, attachments)
    moved = transfer.moved + (0 if referrers is None else referrers.moved)
    report(CopyFinished(digest, moved, round(time.monotonic() - started, 3)))
    written = 0 if referrers is None else referrers.written
    return CopyResult(plan, source_digest, digest, moved, referrers=_found(referrers), written_referrers=written)


def _found(referrers: ReferrerCopy | None) -> tuple[CopiedReferrer, ...]:
    return () if referrers is None else referrers.found


async def make_plan(
    source: ImageSource, destination: ImageDestination, selection: Selection, form: Form = DEFAULT_FORM
) -> Plan:
    """Read the source's manifests and plan the copy; nothing is written.

    Raises the source's errors, `NoMatchingPlatform`, `CannotPreserve` and `Unsupported`.
    """
    return decide(await read_graph(source, selection, destination.accepts, form), destination.accepts, form)


async def carry_out(
    plan: Plan, source: ImageSource, destination: ImageDestination, *, jobs: int | None = None, report: Report = ignore
) -> Digest:
    """Copy all blobs of a plan, at most ``jobs`` concurrently, then write the manifests, last the root.

    By default (None) as many blobs over 4 MiB are copied concurrently as there are processors, up to 6 while these are
    idle, and in addition up to 18 smaller ones, which mostly wait for the network.

    The first error cancels the rest and is raised. Returns the digest of the root manifest at the destination.
    Raises the errors of source and destination, and `InvalidInput` for ``jobs`` below 1.
    """
    started = time.monotonic()
    transfer = Transfer(source, destination, report, jobs)
    _, digest = await _carry_out(plan, transfer, _attachments(plan, report))
    report(CopyFinished(digest, transfer.moved, round(time.monotonic() - started, 3)))
    return digest


def _attachments(
    plan: Plan, report: Report, signing: Signing = NO_SIGNING, referrers: ReferrerCopy | None = None
) -> Attachments:
    copied = plan.inputs.graph.signatures if plan.inputs else {}
    return Attachments(copied, signing, referrers, report)


async def _carry_out(plan: Plan, transfer: Transfer, attachments: Attachments) -> tuple[Plan, Digest]:
    """Return the plan as it was carried out, with the digests of changed layers, and the digest of the root."""
    destination, report = transfer.destination, transfer.report
    report(CopyPlanned(plan.root.digest, plan.all_blobs, plan.total, plan.images))
    reported = None
    if plan.converted and not plan.changes:  # with changes, the digest is not known yet
        reported = plan.root.digest
        report(Converted(plan.source, reported))
    with first_error():
        await destination.begin(plan.root)
        attachments.destination_has_begun()
        present = await _present_manifests(plan, destination)
        plan = await transfer.run(plan, present)
        plan, digest = await write_manifests(plan, transfer, present, attachments)
    if plan.converted and plan.root.digest != reported:
        report(Converted(plan.source, plan.root.digest))
    report(ManifestWritten(digest, len(plan.root.raw), root=True))
    return plan, digest


@asynccontextmanager
async def _open_ends(
    source: ImageReference, destination: ImageReference, source_access: Access, destination_access: Access
) -> AsyncIterator[tuple[ImageSource, ImageDestination]]:
    source_access.policy()  # raises for an invalid policy file before anything is read
    source_access, destination_access = source.share(destination, source_access, destination_access)
    async with AsyncExitStack() as stack:
        with prefix_errors(f"initializing source {source.image_name}"):
            reader = await stack.enter_async_context(source.open_source(source_access))
        with prefix_errors(f"initializing destination {destination.image_name}"):
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
    check: Check,
    report: Report,
    *,
    offline: bool,
) -> Plan:
    """Read the manifests and return the plan; ``check`` is that of `read_graph`.

    ``report`` gets `Warned` if several images match the selection.

    Manifests of an image that is named by its digest are read from the destination, if that is on this machine and has
    them. With ``offline``, `Offline` is raised for all blobs that would have to be requested. Other errors are prefixed
    with the image name they are about, in skopeo's words.
    """
    (name, reader), (destination_name, writer) = source, destination
    selection = options.selection or Selection(Platform.host())
    accepts = replace(writer.accepts, called=destination_name.image_name)
    form = options.form
    if not options.layers:
        from .shallow_copy import shallow_form, without_layers

        form = shallow_form(form, accepts)
    pinned = name.reference.digest if name.reference else None
    manifests, check_blobs = reader, None
    if pinned is not None or offline:
        from .local_content import LocalManifests, check_available

        manifests = reader if pinned is None else LocalManifests(reader, writer, pinned)
        check_blobs = (
            partial(check_available, source=reader, destination=writer, layers=options.layers) if offline else None
        )
    try:
        with prefix_errors(f"initializing source {name.image_name}", unless=(NoMatchingPlatform, PolicyRejected)):
            graph = await read_graph(
                manifests, selection, accepts, form, check,
                check_blobs=check_blobs, warn=lambda message: report(Warned(f"{name.image_name}: {message}")),
            )  # fmt: skip
    except NoMatchingPlatform as error:
        with prefix_errors(f"choosing an image from manifest list {name.image_name}"):
            raise error from None
    check_signatures(graph, writer, accepts.called)
    plan = decide(graph, accepts, form)
    return plan if options.layers else without_layers(plan)


async def _present_manifests(plan: Plan, destination: ImageDestination) -> frozenset[Digest]:
    """Return the digests of the manifests that are at the destination already.

    An image that is present has its blobs. An index may be present without its images, as after a copy of a single
    platform, so every manifest is looked up.
    """
    if plan.changes:
        return frozenset()
    found: set[Digest] = set()

    async def look_up(manifest: Manifest) -> None:
        if await destination.has_manifest(manifest):
            found.add(manifest.digest)

    await each((plan.root, *plan.manifests), look_up, at_once=MANIFESTS_AT_ONCE)
    return frozenset(found)
