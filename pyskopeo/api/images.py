"""Copy, plan and open images by image name (``transport:details``)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypedDict, Unpack

from ..access import Access
from ..engine import run as engine
from ..engine.plan import DEFAULT_FORM, Form, Plan
from ..engine.run import CopyOptions, CopyResult
from ..fast_dataclass import replace
from ..model.events import Placement, Report, ignore
from ..model.platform import Platform
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..engine.selection import Selection
    from ..interfaces import ImageDestination, ImageSource
    from ..model.choice import Choice
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..model.referrer import WantedReferrers
    from ..signatures.signer import Signer


class CopyArguments(TypedDict, total=False):
    """The keyword arguments of `copy`, for callers that pass them on."""

    selection: Selection | None
    form: Form
    layers: bool
    referrers: WantedReferrers | None
    signers: tuple[Signer, ...]
    sign_identity: Reference | None
    jobs: int | None
    report: Report
    source_access: Access | None
    destination_access: Access | None


async def copy(
    source: str,
    destination: str,
    *,
    selection: Selection | None = None,
    form: Form = DEFAULT_FORM,
    layers: bool = True,
    referrers: WantedReferrers | None = None,
    signers: tuple[Signer, ...] = (),
    sign_identity: Reference | None = None,
    jobs: int | None = None,
    report: Report = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> Digest:
    """Copy an image from one image name (``transport:details``) to another.

    The image gets its name at the destination only when everything is there and verified. ``selection`` chooses among
    the images of an index; None: the one for this machine's architecture, on Linux. ``form`` is the manifest format and
    layer compression. ``layers`` False leaves the layers out: the destination, an OCI layout, gets manifests and
    configurations. ``referrers`` is what is copied, or required, of what refers to the image. ``signers`` sign every
    manifest that is written, as the image ``sign_identity``; None: as the destination, in a registry. ``jobs`` is the
    maximum number of blobs copied concurrently, None for the default of `carry_out`. ``report`` is called with every
    event, in the event loop. ``source_access`` and ``destination_access`` are the settings of either side; None: the
    user's own configuration (`Access.from_environ`).

    Works on asyncio and trio, and can be cancelled. Returns the digest of the root manifest at the destination.
    Raises `PyskopeoError` and its subclasses.
    """
    options = CopyOptions(
        selection, form, jobs, layers=layers, referrers=referrers, signers=signers, sign_identity=sign_identity
    )
    accesses = source_access, destination_access
    return (await _run(source, destination, options, report, accesses)).digest


async def plan_copy(
    source: str,
    destination: str,
    *,
    selection: Selection | None = None,
    form: Form = DEFAULT_FORM,
    layers: bool = True,
    referrers: WantedReferrers | None = None,
    signers: tuple[Signer, ...] = (),
    sign_identity: Reference | None = None,
    jobs: int | None = None,
    report: Report = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> tuple[Plan, frozenset[Digest]]:
    """Return the plan of a copy, and the digests of the blobs that are at the destination already.

    Takes the arguments of `copy`. Reads manifests, and configurations where a conversion needs them; writes nothing.
    Raises what `copy` raises before it copies the first blob.
    """
    options = CopyOptions(
        selection, form, jobs, dry_run=True, layers=layers, referrers=referrers, signers=signers,
        sign_identity=sign_identity,
    )  # fmt: skip
    result = await _run(source, destination, options, report, (source_access, destination_access))
    present = (digest for digest, placement in result.placements.items() if placement is Placement.PRESENT)
    return result.plan, frozenset(present)


async def _run(
    source: str,
    destination: str,
    options: CopyOptions,
    report: Report,
    accesses: tuple[Access | None, Access | None],
) -> CopyResult:
    reading, writing = (replace(access or Access.from_environ(), report=report) for access in accesses)
    return await engine.copy(
        parse_image_name(source),
        parse_image_name(destination),
        options,
        source_access=reading,
        destination_access=writing,
        report=report,
    )


def run_copy(source: str, destination: str, **arguments: Unpack[CopyArguments]) -> Digest:
    """Run `copy` from code without an event loop; takes the same arguments, raises the same errors."""
    import anyio

    async def run() -> Digest:
        return await copy(source, destination, **arguments)

    return anyio.run(run)


@asynccontextmanager
async def open_source(name: str, access: Access | None = None) -> AsyncIterator[ImageSource]:
    """Open an image for reading, by image name (``transport:details``), as an async context manager.

    ``access`` None is the user's own configuration. Raises `InvalidName`, `NotFound` and the transport's errors.
    """
    async with parse_image_name(name).open_source(access or Access.from_environ()) as source:
        yield source


async def image_manifest(source: ImageSource, platform: Platform | Choice | None = None) -> Manifest:
    """Return the manifest of the image for a platform: its ``layers``, ``config`` and ``blobs``.

    For a source that is a single image it is that image's; for an index, that of the best match in it or in the
    indexes below it, by skopeo's rules. ``platform`` None is this machine's architecture, on Linux. The layers of a
    schema 1 manifest, which does not state their sizes, have the sizes that the source reports.

    Raises `NoMatchingPlatform`, `Unsupported` if the source cannot tell the sizes of schema 1, and the source's errors.
    """
    from ..engine.graph import find_image, with_layer_sizes
    from ..engine.plan import Graph

    manifest = await find_image(source, await source.manifest(), platform or Platform.host())
    return (await with_layer_sizes(source, Graph(manifest))).root


@asynccontextmanager
async def open_destination(name: str, access: Access | None = None) -> AsyncIterator[ImageDestination]:
    """Open an image for writing, by image name (``transport:details``), as an async context manager.

    Leaving it without an error completes what was committed. ``access`` None is the user's own configuration.
    Raises `InvalidName`, `Unsupported` and the transport's errors.
    """
    async with parse_image_name(name).open_destination(access or Access.from_environ()) as destination:
        yield destination
