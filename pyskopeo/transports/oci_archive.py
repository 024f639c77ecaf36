"""``oci-archive:path[:name]``: an OCI layout in a tar file, reproducible byte for byte (OCI image specification)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_path
from ..errors import DestinationRefused, InvalidContent, InvalidName, NotFound
from ..fast_dataclass import replace
from ..interfaces import ImageDestination, ImageReference, ImageSource
from ..model.events import Warned
from ..model.layout import INDEX_FILE, LAYOUT_FILE, check_name
from ..storage.archive_output import check_output, is_written_directly, open_output
from ..storage.files import real_path, storage_errors
from ..storage.interrupted_archive import InterruptedArchive
from ..storage.kept_directories import KeptDirectory, remove_others
from ..storage.layout_writer import LayoutWriter
from ..storage.oci_layout import LayoutSource, located_blob
from ..storage.part_files import MIN_KEPT
from ..storage.scratch import readable_archive, scratch_directory
from ..storage.shared_files import RunFiles
from ..storage.tar import TarIndex, TarWriter
from ..streams.cancellation import run_in_thread
from ..streams.progress import note_kept

if TYPE_CHECKING:
    from ..access import Access, Writing
    from ..interfaces import Fill
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.events import Placement
    from ..model.manifest import Manifest
    from ..streams.byte_streams import BlobReader
    from ..streams.progress import Progress
    from ..streams.pump import Blob

_LAYOUT = "layout"


class OciArchiveReference(ImageReference):
    """The path of an archive and the reference name of an image in it."""

    transport = "oci-archive"

    def __init__(self, details: str, path: Path, name: str) -> None:
        super().__init__(details)
        self.path, self.name = path, name

    def subject(self) -> Subject:
        return by_path("oci-archive", real_path(self.path))

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        return _open_source(self, access)

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        return _open_destination(self, access)


def parse(details: str) -> OciArchiveReference:
    """Parse what follows ``oci-archive:``; the path ends at the first colon. Raises `InvalidName`."""
    path, _, name = details.partition(":")
    if not path:
        raise InvalidName(f"oci-archive:{details}: want oci-archive:path[:name]")
    return OciArchiveReference(details, Path(path), check_name(name) if name else "")


@asynccontextmanager
async def _open_source(reference: OciArchiveReference, access: Access) -> AsyncIterator[ImageSource]:
    async with readable_archive(reference.path, access.storage.scratch, access.storage.max_inflated) as index:
        external = partial(_open_external, reference, access)
        source = partial(LayoutSource, index, reference.name, str(reference.path), open_external=external)
        if access.storage.store is None:
            yield source()
            return
        from ..storage.pull_through import open_through

        async with open_through(None, access) as through:
            yield source(through=through.blob)


def _open_external(
    reference: OciArchiveReference, access: Access, descriptor: Descriptor, offset: int
) -> AbstractAsyncContextManager[BlobReader]:
    from ..registry.external_blob import open_external_blob

    return open_external_blob(descriptor, str(reference), access, offset)


class _ScratchWriter(LayoutWriter):
    """Writes the layout that becomes an archive, in a temporary directory that is created when it is needed.

    An interrupted run may have left blobs there, or in the archive if it was ``interrupted`` while it assembled that.
    Those that the image has are verified and used, others are removed.
    """

    def __init__(
        self, directory: KeptDirectory, name: str, writing: Writing, interrupted: InterruptedArchive
    ) -> None:
        files = RunFiles(None, partial_age=0.0)
        super().__init__(directory.path / _LAYOUT, name, files, resume=directory.resumes, writing=writing)
        self._directory, self._interrupted = directory, interrupted

    async def begin(self, root: Manifest) -> None:
        self._prepare()
        await super().begin(root)

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        location = self._interrupted.locate(blob.descriptor)
        if location is not None and not await self.has_blob(blob.descriptor):
            there = replace(located_blob(blob.descriptor, location), plain=blob.plain)
            with suppress(InvalidContent, NotFound):  # it is fetched then
                placement = await super().put_blob(there, progress)
                note_kept(progress, blob.descriptor.size)
                return placement
        return await super().put_blob(blob, progress)

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        self._prepare()
        return await super().receive(fill)

    def writable_path(self, digest: Digest) -> Path:
        self._prepare()
        return super().writable_path(digest)

    async def commit(self, root: Manifest) -> Digest:
        digest = await super().commit(root)
        if self._directory.adopted:
            for directory in filter(Path.is_dir, (self.root / "blobs").iterdir()):
                wanted = frozenset(digest.hex for digest in self.digests if digest.algorithm == directory.name)
                remove_others(directory, wanted.__contains__)
                with suppress(OSError):
                    directory.rmdir()  # if the image has no blob of this algorithm
        return digest

    def _prepare(self) -> None:
        if self._directory.created:
            return
        directory = self._directory
        with storage_errors(f"creating {directory.path}"):
            directory.create()
            # The directory itself is locked, and so is a layout while its index is written.
            self.move_to(directory.path / _LAYOUT)
            if directory.adopted:
                for name in (INDEX_FILE, LAYOUT_FILE):
                    (self.root / name).unlink(missing_ok=True)


@asynccontextmanager
async def _open_destination(reference: OciArchiveReference, access: Access) -> AsyncIterator[ImageDestination]:
    path = reference.path
    check_output(path, replace=True)
    replaces = await run_in_thread(lambda: _is_replaced(path))
    directory = scratch_directory(path, access.storage)
    interrupted = InterruptedArchive(path)
    writer = _ScratchWriter(directory, reference.name, access.writing, interrupted)
    failed = True
    try:
        try:
            if directory.resumes:
                await run_in_thread(interrupted.open)
            yield writer
        finally:
            writer.close()
            interrupted.close()
        committed = (writer.root / INDEX_FILE).exists()
        if committed:
            await run_in_thread(lambda: _write_file(path, writer.root, keep=directory.resumes))
        failed = False
    finally:
        directory.close(failed=failed)
    if replaces:
        happens = "has been replaced" if committed else "will be replaced"
        access.report(Warned(f"{path} was there already: it {happens}, with all images in it"))


def _is_replaced(path: Path) -> bool:
    """Return whether there is an OCI archive at ``path`` already; like skopeo, a copy replaces it.

    Raises `DestinationRefused` for any other file with content.
    """
    if is_written_directly(path) or not path.exists() or not path.stat().st_size:
        return False
    try:
        known = INDEX_FILE in TarIndex.read(path)
    except InvalidContent:
        known = False
    if not known:
        raise DestinationRefused(f"{path} is there and is no OCI archive: remove it first, or write to another file")
    return True


def _write_file(path: Path, root: Path, *, keep: bool) -> None:
    """Write the archive; with ``keep`` what is there of it stays after an error, since its blobs are nowhere else."""
    archive: TarWriter | None = None

    def is_worth_keeping() -> bool:
        return archive is not None and archive.position >= MIN_KEPT

    with open_output(path, replace=True, keep=is_worth_keeping if keep else None) as (fd, shown):
        archive = TarWriter.to(fd, shown, out_of_order=not is_written_directly(path))
        _write(archive, root)


def _write(archive: TarWriter, root: Path) -> None:
    """Write a layout in the order of its file names; each file is removed afterwards, to save disk space."""
    for directory, directories, names in os.walk(root):
        directories.sort()
        relative = Path(directory).relative_to(root)
        if relative != Path():
            archive.add_directory(str(relative))
        if relative.parent == Path("blobs"):
            _write_files(archive, Path(directory), relative, sorted(names))
    _write_files(archive, root, Path(), [INDEX_FILE, LAYOUT_FILE])
    archive.finish()


def _write_files(archive: TarWriter, directory: Path, relative: Path, names: list[str]) -> None:
    for name in names:
        path = directory / name
        archive.add_file(str(relative / name), path, path.stat().st_size, 0o644)
        path.unlink()
