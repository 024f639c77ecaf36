"""Repair an OCI layout: fetch what is broken or missing, and nothing else, from other places that have it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.verification import Advance, VerifyOptions, ignore_advance
from ..errors import Offline, PyskopeoError, StorageFailed
from ..fast_dataclass import replace
from ..model.layout import INDEX_FILE, LAYOUT_CONTENT, LAYOUT_FILE
from ..model.verification import Fault, Repair, VerificationReport
from ..streams.progress import uncounted
from .existing_blobs import ExistingBlobs
from .files import digest_name, storage_errors
from .index_repair import repair_entry
from .layout_files import BLOBS, check_layout_directory
from .layout_verification import LayoutVerification
from .locks import locked_if_possible
from .oci_layout import DirectoryFiles
from .partial_files import remove_leftovers, write_atomically
from .place_blob import place_blob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest


class _Replacements:
    """Writes blobs into the directory ``blobs``, from the first of ``sources`` that has them; see `Repairer`.

    ``made`` are the repairs, ``directories`` those that were written to. ``offline`` is what could not be fetched,
    since no request is allowed. A source is given with its image name.
    """

    def __init__(self, blobs: Path, sources: Sequence[tuple[str, ImageSource]], *, resume: bool) -> None:
        self._blobs, self._sources, self._resume = blobs, sources, resume
        self.directories: set[Path] = set()
        # A record of earlier verifications would vouch for files that have been damaged since.
        self._existing = ExistingBlobs(always=True)
        self.made: list[Repair] = []
        self.offline: list[Digest] = []

    async def __call__(self, fault: Fault, descriptor: Descriptor, is_manifest: bool) -> str:
        path = self._blobs / digest_name(descriptor.digest)
        self.directories.add(path.parent)
        reasons, needs_request = [], False
        for name, source in self._sources:
            try:
                with storage_errors(f"creating {path.parent}"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                if is_manifest:
                    await self._place_manifest(source, descriptor, path)
                else:
                    blob = source.blob(descriptor)
                    await place_blob(blob, path, uncounted, self._existing, resume=self._resume)
            except PyskopeoError as error:
                reasons.append(f"{name}: {error}")
                needs_request = needs_request or isinstance(error, Offline)
            else:
                self.made.append(Repair(fault.what, descriptor.size, name, descriptor.digest))
                return ""
        if needs_request:
            self.offline.append(descriptor.digest)
        return f"not repaired: {'; '.join(reasons)}"

    async def _place_manifest(self, source: ImageSource, descriptor: Descriptor, path: Path) -> None:
        manifest = await source.manifest(descriptor)
        manifest.check_size(descriptor)
        write_atomically(path, manifest.raw)


async def repair_layout(
    root: Path,
    sources: Sequence[tuple[str, ImageSource]],
    name: str = "",
    *,
    shared: Path | None = None,
    resume: bool = True,
    partial_age: float = 0.0,
    options: VerifyOptions,
    advance: Advance = ignore_advance,
    on_wait: Callable[[], None] | None = None,
) -> VerificationReport:
    """Verify the layout in the directory ``root``, or one image of it, and fetch what is broken or missing.

    Each manifest and blob is fetched from the first of ``sources``, given with their image names, that has it; it
    replaces the file in the layout when it is verified. ``oci-layout`` is written again, and for an image that is named
    the entry in ``index.json`` that is missing or cannot be read (`index_repair`). Content that is wrong everywhere
    cannot be repaired, nor an index of which nothing says what it named. ``shared`` is the directory that has the blobs
    if several layouts share them. ``resume`` and ``partial_age`` are as for a copy (`Storage`). Returns what was
    repaired, and the faults that are left. Raises `PathNotFound` if there is no layout, `NotFound`, `InvalidContent`,
    `TooLarge` and `StorageFailed`.
    """
    check_layout_directory(root)
    blobs = root / BLOBS if shared is None else shared
    with storage_errors(f"creating {blobs}"):
        blobs.mkdir(parents=True, exist_ok=True)
    replacements = _Replacements(blobs, sources, resume=resume)
    run = LayoutVerification(
        DirectoryFiles(root, shared), str(root), name, options=options, repair=replacements, advance=advance,
        blobs=BLOBS if shared is None else str(shared),
    )  # fmt: skip
    async with locked_if_possible(blobs, shared=True, on_wait=on_wait):
        if name and (entry := await repair_entry(root, blobs, name, sources)) is not None:
            replacements.made.append(entry)
        await run.run()
        run.faults = [_explained(fault, root) for fault in run.faults]
        for fault in [fault for fault in run.faults if fault.path == LAYOUT_FILE]:
            try:
                write_atomically(root / LAYOUT_FILE, LAYOUT_CONTENT)
            except StorageFailed:
                continue  # the fault stays
            run.faults.remove(fault)
            replacements.made.append(Repair(LAYOUT_FILE, len(LAYOUT_CONTENT)))
        for directory in replacements.directories:
            remove_leftovers(directory, age=partial_age)
    return replace(run.report(f"oci:{root}", repaired=replacements.made), offline=tuple(replacements.offline))


def _explained(fault: Fault, root: Path) -> Fault:
    """Say of a fault of the index what can be done about it."""
    if fault.path != INDEX_FILE:
        return fault
    hint = f"name an image to have its entry written again, oci:{root}:NAME"
    return replace(fault, message=f"{fault.message}; not repaired: nothing says what it has to name: {hint}")
