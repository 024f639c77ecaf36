"""Care for OCI layouts by image name: repair them, remove what nothing needs, list their images."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.policy_check import check_policy
from ..engine.verification import Advance, VerifyOptions, ignore_advance
from ..errors import InvalidInput, InvalidName, Unsupported, prefix_errors
from ..model.events import Warned, ignore
from ..streams.cancellation import run_in_thread
from ..transports import parse_image_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..model.verification import GarbageReport, LayoutEntry, VerificationReport
    from ..transports.oci import OciReference

# Those that have blobs by their digests; a docker-archive has its layers decompressed.
_SOURCES = ("docker", "oci", "oci-archive", "dir", "docker-archive")


def layout_reference(name: str, *, whole: bool = False) -> OciReference:
    """Parse ``oci:PATH[:NAME]``, with ``whole`` only ``oci:PATH``; raises `InvalidName`."""
    from ..transports.oci import OciReference

    with prefix_errors(f"Invalid layout name {name}"):
        found = parse_image_name(name)
    if not isinstance(found, OciReference) or (whole and found.name):
        raise InvalidName(f"Invalid layout name {name}: want oci:PATH{'' if whole else ' or oci:PATH:NAME'}")
    return found


async def repair_layout(
    name: str,
    sources: Sequence[str],
    *,
    deep: bool = False,
    sparse: bool = False,
    layers: bool = True,
    max_inflated: int | None = None,
    access: Access | None = None,
    source_access: Access | None = None,
    advance: Advance = ignore_advance,
) -> VerificationReport:
    """Verify the layout ``oci:PATH``, or one image of it, and fetch exactly what is broken or missing.

    Each manifest and blob is fetched by its digest, from the first of ``sources`` that has it: image names of the
    transports docker, oci, oci-archive, dir and docker-archive, of which nothing else is read; the signature policy
    must accept them. For an image that is named, its entry in the index is written again if that is missing.
    ``deep``, ``sparse``, ``layers``, ``max_inflated`` and ``advance`` are as for `verify`; ``access`` and
    ``source_access`` are the settings of the layout and of the sources. Returns what was repaired, and the faults that
    are left. Raises `InvalidInput`, `PathNotFound` if there is no such layout or image, `PolicyRejected`, and other
    kinds of `PyskopeoError`.
    """
    from ..storage.layout_repair import repair_layout as repair

    layout = layout_reference(name)
    reading = source_access or Access.from_environ()
    references = [(source, parse_image_name(source)) for source in sources]
    if not references:
        raise InvalidInput("repair needs at least one image to fetch from")
    for source, reference in references:
        if reference.transport not in _SOURCES:
            raise Unsupported(f"{source}: a layout can be repaired from {', '.join(_SOURCES)} only")
        check_policy(reference, reading)
    async with AsyncExitStack() as stack:
        opened = []
        for source, reference in references:
            with prefix_errors(f"initializing source {source}"):
                opened.append((source, await stack.enter_async_context(reference.open_source(reading))))
                if reference.transport == "docker-archive":
                    await opened[-1][1].manifest()  # which says what the digests of its layers are
        return await repair(
            layout.path, opened, layout.name, shared=_shared(access), advance=advance,
            resume=reading.storage.resume, partial_age=reading.storage.partial_age,
            options=VerifyOptions(deep, sparse, external=True, layers=layers, max_inflated=max_inflated),
            on_wait=lambda: reading.report(Warned(f"waiting for {name}, which is locked by a program that deletes")),
        )  # fmt: skip


async def collect_garbage(
    name: str, *, sparse: bool = False, dry_run: bool = False, access: Access | None = None
) -> GarbageReport:
    """Remove from the layout ``oci:PATH`` the blobs that no entry needs, and what killed copies left; return which.

    Waits for copies to the layout that are under way, and reports `Warned` then. With ``dry_run`` nothing is removed.
    ``sparse`` accepts images of an index that are missing. Raises `InvalidName`, `PathNotFound`, `StorageFailed`, and
    `InvalidContent` if it is not known what is needed, since a manifest is missing or broken: then nothing is removed.
    """
    from ..storage.layout_garbage import collect_garbage as collect

    layout = layout_reference(name, whole=True)
    report = ignore if access is None else access.report
    return await collect(
        layout.path, shared=_shared(access), sparse=sparse, dry_run=dry_run,
        on_wait=lambda: report(Warned(f"waiting for copies to {name} that are under way")),
    )  # fmt: skip


async def list_layout(name: str, *, access: Access | None = None) -> tuple[LayoutEntry, ...]:
    """Return the entries of the layout ``oci:PATH``, in the order of its index, with platforms and sizes.

    Raises `InvalidName`, `PathNotFound`, `StorageFailed`, and `InvalidContent` if its index cannot be read.
    """
    from ..storage.layout_files import check_layout_directory
    from ..storage.layout_listing import list_entries
    from ..storage.oci_layout import DirectoryFiles

    layout = layout_reference(name, whole=True)
    check_layout_directory(layout.path)
    files = DirectoryFiles(layout.path, _shared(access))
    return tuple(await run_in_thread(partial(list_entries, files, str(layout.path))))


def _shared(access: Access | None) -> Path | None:
    """Return the directory that has the blobs of all layouts, if there is one."""
    return None if access is None else access.storage.shared_blobs
