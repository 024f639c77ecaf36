"""Verify an OCI layout, in a directory or in an archive: all its entries and files (image-layout.md), or one image."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.verification import Advance, ImageVerification, Repairer, VerifyOptions, ignore_advance
from ..errors import InvalidContent, NotFound, PathNotFound, PyskopeoError, StorageFailed
from ..fast_dataclass import replace
from ..model.layout import (
    INDEX_FILE,
    INDEX_LIMIT,
    LAYOUT_FILE,
    LayoutIndex,
    check_layout_file,
    entry_name,
    read_entries,
)
from ..model.reachability import Reachability
from ..model.verification import Fault, FaultKind, Repair, UnneededFile, VerificationReport
from ..streams.cancellation import run_in_thread
from .files import digest_name
from .layout_files import BLOBS, check_layout_directory, leftovers_of, unneeded_files
from .locks import locked
from .oci_layout import DirectoryFiles, LayoutSource
from .reachable_blobs import named_by_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from collections.abc import Set as AbstractSet

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .layout_content import LayoutFiles
    from .tar import TarIndex

_LAYOUT_FILE_LIMIT = 1024 * 1024


class LayoutVerification:
    """Verifies a layout; ``where`` names it in messages. ``name`` selects one image, "" all of them.

    ``blobs`` is the path of the blobs in reports, relative to the layout. ``repair`` is as for `ImageVerification`.
    """

    def __init__(
        self, files: LayoutFiles | TarIndex, where: str, name: str = "", *, options: VerifyOptions,
        blobs: str = BLOBS, repair: Repairer | None = None, advance: Advance = ignore_advance,
    ) -> None:  # fmt: skip
        self._files, self._where, self._name = files, where, name
        self._blobs, self._options = blobs, options
        self.graph = Reachability(subjects=True)
        self.faults: list[Fault] = []
        self._images = ImageVerification(
            LayoutSource(files, "", where), self.graph, options, path_of=self.path_of, repair=repair, advance=advance
        )

    def path_of(self, descriptor: Descriptor) -> str:
        """Return the path of a blob, relative to the layout."""
        return f"{self._blobs}/{digest_name(descriptor.digest)}"

    async def run(self) -> None:
        """Verify it; raises `PathNotFound` if there is no layout, or no image of that name, and `TooLarge`."""
        entries = self._read_documents()
        for position, descriptor in entries:
            self.graph.add_root(descriptor, entry_name(descriptor, position))
        await self._images.run()

    @property
    def knows_entries(self) -> bool:
        """Whether the entries of the layout are known, without which every file looks unneeded."""
        return not any(fault.path == INDEX_FILE for fault in self.faults)

    def needed(self) -> AbstractSet[Digest]:
        """Return the digests of all that the entries lead to."""
        return self.graph.nodes.keys() | named_by_documents(self._files, self.graph)

    def report(
        self, name: str, unneeded: Sequence[UnneededFile] = (), repaired: Sequence[Repair] = ()
    ) -> VerificationReport:
        """Return the result."""
        found = self._images.report(name, self.faults)
        return replace(found, unneeded=tuple(unneeded), repaired=tuple(repaired))

    def _read_documents(self) -> list[tuple[int, Descriptor]]:
        """Return the entries of ``index.json`` with their positions; note what is wrong with it and ``oci-layout``."""
        try:
            raw = self._files.content(INDEX_FILE, INDEX_LIMIT)
        except NotFound as error:
            if self._name or not self._has_layout_file():
                raise PathNotFound(str(error)) from None
            self._note(INDEX_FILE, error)
            raw = None
        except (StorageFailed, InvalidContent) as error:  # in an archive, also for two files of that name
            self._note(INDEX_FILE, error)
            raw = None
        self._check_layout_file()
        if raw is None:
            return []
        where = f"{self._where}: {INDEX_FILE}"
        if self._name:
            index = LayoutIndex.parse(raw, where)
            return [(at, index.descriptors[at]) for at in index.find_positions(self._name, self._where)]
        entries, errors = read_entries(raw, INDEX_FILE)
        for invalid in errors:
            self._note(INDEX_FILE, invalid)
        return entries

    def _has_layout_file(self) -> bool:
        try:
            self._files.content(LAYOUT_FILE, _LAYOUT_FILE_LIMIT)
        except NotFound:
            return False
        except PyskopeoError:
            pass
        return True

    def _check_layout_file(self) -> None:
        try:
            check_layout_file(self._files.content(LAYOUT_FILE, _LAYOUT_FILE_LIMIT), LAYOUT_FILE)
        except (NotFound, StorageFailed, InvalidContent) as error:
            self._note(LAYOUT_FILE, error)

    def _note(self, file: str, error: PyskopeoError) -> None:
        kind = FaultKind.INVALID if isinstance(error, InvalidContent) else FaultKind.UNREADABLE
        kind = FaultKind.MISSING if isinstance(error, NotFound) else kind
        self.faults.append(Fault(kind, file, str(error), path=file))


async def verify_layout(
    root: Path,
    name: str = "",
    *,
    shared: Path | None = None,
    options: VerifyOptions,
    title: str = "",
    advance: Advance = ignore_advance,
    on_wait: Callable[[], None] | None = None,
) -> VerificationReport:
    """Verify the layout in the directory ``root``, or one image of it, and return each fault.

    Blobs and manifests that a deletion would remove stay until it is done, where the file system has locks; ``on_wait``
    is called if one is under way and takes long. ``shared`` is the directory that has the blobs if several layouts
    share them: of the files in it none is unneeded. Raises `PathNotFound` if there is no layout or no image of that
    name, `TooLarge`, and `StorageFailed`.
    """
    check_layout_directory(root)
    blobs = root / BLOBS if shared is None else shared
    run = LayoutVerification(
        DirectoryFiles(root, shared), str(root), name, options=options, advance=advance,
        blobs=BLOBS if shared is None else str(shared),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        with suppress(StorageFailed):  # no such directory, or a file system without locks
            await stack.enter_async_context(locked(blobs, shared=True, on_wait=on_wait))
        await run.run()
        unneeded: list[UnneededFile] = []
        if not name:
            unneeded, faults = await run_in_thread(lambda: find_unneeded(root, run.needed(), known=run.knows_entries))
            run.faults += faults
    return run.report(title or f"oci:{root}", unneeded)


def find_unneeded(
    root: Path, needed: Container[Digest], *, known: bool
) -> tuple[list[UnneededFile], list[Fault]]:  # fmt: skip
    """Return the files of a layout that nothing needs, and a fault for each directory that cannot be read.

    For a worker thread: there may be very many.
    ``known`` is whether ``needed`` is known; if not, only leftovers of copies are returned.
    """
    found: list[UnneededFile] = []
    faults: list[Fault] = []
    for directory in (BLOBS, ""):
        try:
            found += unneeded_files(root / BLOBS, needed) if directory else leftovers_of(root)
        except StorageFailed as error:
            faults.append(Fault(FaultKind.UNREADABLE, directory or ".", str(error), path=directory or "."))
    return [file for file in found if known or file.is_leftover], faults


async def verify_archive(
    index: TarIndex, name: str = "", *, options: VerifyOptions, title: str, advance: Advance = ignore_advance
) -> VerificationReport:
    """Verify a layout in a tar archive as `verify_layout` does one in a directory."""
    run = LayoutVerification(index, str(index.name), name, options=options, advance=advance)
    await run.run()
    unneeded = []
    if not name and run.knows_entries:
        needed = {f"{BLOBS}/{digest_name(digest)}" for digest in run.needed()}
        names = (member for member in index.names if member.startswith(f"{BLOBS}/") and member not in needed)
        unneeded = [UnneededFile(member, index.size_of(member)) for member in sorted(names)]
    return run.report(title, unneeded)
