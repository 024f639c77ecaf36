"""The library's front door: copy, plan and inspect, by image names."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypedDict, Unpack

from ..access import Access
from ..engine.graph import read_graph
from ..engine.plan import AS_IT_IS, Form, Plan
from ..engine.planner import decide
from ..engine.run import carry_out
from ..engine.selection import Selection
from ..errors import NoMatchingPlatform, PolicyRejected, first_error, prefix_errors
from ..interfaces import LooksAround, Mounts
from ..model.events import CopyFinished, Event, Placement, Report, ignore
from ..model.platform import Platform
from ..streams.concurrency import each
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..interfaces import ImageDestination, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest

_ASKED_AT_ONCE = 18


async def copy(
    source: str,
    destination: str,
    *,
    selection: Selection | None = None,
    form: Form = AS_IT_IS,
    jobs: int | None = None,
    report: Report = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> Digest:
    """Copy an image between two image names (``transport:details``).

    Nothing has its final name at the destination before everything is there and verified. Of an
    index, the image for this machine's architecture on Linux is copied, unless ``selection`` says
    otherwise; ``form`` says what may change on the way. ``jobs`` blobs move at once (see
    `carry_out`). ``report`` gets every event, in the event loop.

    Works on asyncio and trio, and can be cancelled. Answers with the digest of the manifest at
    the destination. Raises `PyskopeoError` and its kinds.
    """
    started = time.monotonic()
    finished: list[CopyFinished] = []

    def held(event: Event) -> None:
        # A destination is complete only when it has been left: an archive or a directory gets its name then.
        if isinstance(event, CopyFinished):
            finished.append(event)
        else:
            report(event)

    source_access = source_access or Access.from_environ()
    async with opened(source, destination, source_access, destination_access, report) as (reader, writer):
        async with _looking_around(writer):
            plan = await planned((source, destination), source_access, (reader, writer), selection, form)
        digest = await carry_out(plan, reader, writer, jobs=jobs, report=held)
    for event in finished:
        report(replace(event, seconds=round(time.monotonic() - started, 3)))
    return digest


async def plan_copy(
    source: str,
    destination: str,
    *,
    selection: Selection | None = None,
    form: Form = AS_IT_IS,
    jobs: int | None = None,
    report: Report = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> tuple[Plan, frozenset[Digest]]:
    """What `copy` would do, and which blobs the destination has already; only manifests are read."""
    plan, placements = await foresee_copy(
        source, destination, selection=selection, form=form, jobs=jobs, report=report,
        source_access=source_access, destination_access=destination_access,
    )  # fmt: skip
    return plan, frozenset(digest for digest, placement in placements.items() if placement is Placement.PRESENT)


class CopyOptions(TypedDict, total=False):
    """The options of `copy`, for those who pass them on."""

    selection: Selection | None
    form: Form
    jobs: int | None
    report: Report
    source_access: Access | None
    destination_access: Access | None


async def foresee_copy(
    source: str, destination: str, **options: Unpack[CopyOptions]
) -> tuple[Plan, dict[Digest, Placement]]:
    """`plan_copy`, with what is to become of each blob: ``PRESENT``, ``MOUNTED`` unless the registry declines,
    else ``WRITTEN``."""
    access, form = options.get("source_access") or Access.from_environ(), options.get("form", AS_IT_IS)
    writing, report = options.get("destination_access"), options.get("report", ignore)
    async with opened(source, destination, access, writing, report) as ends:
        plan = await planned((source, destination), access, ends, options.get("selection"), form)
        reader, writer = ends
        as_they_are = {blob.digest for blob in plan.blobs}  # others are made on the way, and nowhere yet

        placements: dict[Digest, Placement] = {}

        async def foresee(blob: Descriptor) -> None:
            beside = blob.digest in as_they_are and isinstance(writer, Mounts) and writer.would_mount(reader.blob(blob))
            otherwise = Placement.MOUNTED if beside else Placement.WRITTEN
            placements[blob.digest] = Placement.PRESENT if await writer.has_blob(blob) else otherwise

        await each(plan.all_blobs, foresee, at_once=_ASKED_AT_ONCE)
        return plan, placements


def run_copy(source: str, destination: str, **options: Unpack[CopyOptions]) -> Digest:
    """`copy` for people without an event loop; takes the same options."""
    import anyio

    async def run() -> Digest:
        return await copy(source, destination, **options)

    return anyio.run(run)


@asynccontextmanager
async def open_source(name: str, access: Access | None = None) -> AsyncIterator[ImageSource]:
    """An image to read from, by image name."""
    async with parse_image_name(name).open_source(access or Access.from_environ()) as source:
        yield source


@asynccontextmanager
async def open_destination(name: str, access: Access | None = None) -> AsyncIterator[ImageDestination]:
    """A place to write images to, by image name; complete when left without an error."""
    async with parse_image_name(name).open_destination(access or Access.from_environ()) as destination:
        yield destination


@asynccontextmanager
async def opened(
    source: str,
    destination: str,
    source_access: Access | None,
    destination_access: Access | None,
    report: Report,
) -> AsyncIterator[tuple[ImageSource, ImageDestination]]:
    """Both ends of a copy; names are parsed before anything is touched."""
    from_name, to_name = parse_image_name(source), parse_image_name(destination)
    reading = replace(source_access or Access.from_environ(), report=report)
    writing = replace(destination_access or Access.from_environ(), report=report)
    reading.policy()  # a damaged one lets nothing be read
    async with AsyncExitStack() as stack:
        with prefix_errors(f"initializing source {source}"):
            reader = await stack.enter_async_context(from_name.open_source(reading))
        with prefix_errors(f"initializing destination {destination}"):
            writer = await stack.enter_async_context(to_name.open_destination(writing))
        yield reader, writer


@asynccontextmanager
async def _looking_around(destination: ImageDestination) -> AsyncIterator[None]:
    """Have the destination find out what it can meanwhile."""
    from anyio import create_task_group

    if not isinstance(destination, LooksAround):
        yield
        return
    with first_error():
        async with create_task_group() as tasks:
            tasks.start_soon(destination.look_around)
            yield


def admit(name: str, access: Access) -> None:
    """Raise `PolicyRejected` for an image that the policy does not let be used; and for a damaged policy."""
    policy = access.policy()
    with prefix_errors("Source image rejected"):
        policy.judge(parse_image_name(name).subject(), name)


async def planned(
    names: tuple[str, str],
    access: Access,
    ends: tuple[ImageSource, ImageDestination],
    chosen: Selection | None,
    form: Form,
) -> Plan:
    """`make_plan`, for what the policy admits; errors say by its name which end they are about."""
    (name, called), (source, destination) = names, ends
    accepts = replace(destination.accepts, called=called)
    try:
        with prefix_errors(f"initializing source {name}", unless=(NoMatchingPlatform, PolicyRejected)):
            graph = await read_graph(
                source, chosen or default_selection(), accepts, form, admit=partial(admit, name, access)
            )
    except NoMatchingPlatform as error:
        with prefix_errors(f"choosing an image from manifest list {name}"):
            raise error from None
    return decide(graph, accepts, form)


def default_selection() -> Selection:
    """The image for this machine's architecture, on Linux."""
    return Selection(Platform.host())
