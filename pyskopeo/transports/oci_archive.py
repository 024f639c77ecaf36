"""``oci-archive:path[:name]``: an OCI layout in a tar file, reproducible byte for byte (OCI image specification)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_path
from ..errors import DestinationRefused, InvalidContent, InvalidName
from ..interfaces import ImageDestination, ImageReference, ImageSource
from ..model.events import Warned
from ..model.layout import INDEX_FILE, LAYOUT_FILE, check_name
from ..storage.archive_output import check_output, is_written_directly, open_output
from ..storage.files import real_path
from ..storage.oci_layout import LayoutSource, LayoutWriter
from ..storage.scratch import create_directory, readable_archive, scratch_directory
from ..storage.shared_files import RunFiles
from ..storage.tar import TarIndex, TarWriter
from ..streams.cancellation import run_in_thread

if TYPE_CHECKING:
    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..streams.pump import BlobReader


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
        yield LayoutSource(index, reference.name, str(reference.path), open_external=external)


def _open_external(
    reference: OciArchiveReference, access: Access, descriptor: Descriptor
) -> AbstractAsyncContextManager[BlobReader]:
    from ..registry.external_blob import open_external_blob

    return open_external_blob(descriptor, str(reference), access)


class _ScratchWriter(LayoutWriter):
    """Writes the layout that becomes an archive, below a temporary directory that is created when it is needed."""

    async def begin(self, root: Manifest) -> None:
        create_directory(self.root.parent)
        await super().begin(root)


@asynccontextmanager
async def _open_destination(reference: OciArchiveReference, access: Access) -> AsyncIterator[ImageDestination]:
    path = reference.path
    check_output(path, replace=True)
    replaces = await run_in_thread(lambda: _is_replaced(path))
    with scratch_directory(path, access.storage.scratch) as scratch:
        root = scratch / "layout"  # the directory itself is locked, and so is a layout while its index is written
        writer = _ScratchWriter(root, reference.name, RunFiles(None))
        try:
            yield writer
        finally:
            writer.close()
        committed = (root / INDEX_FILE).exists()
        if committed:
            await run_in_thread(lambda: _write_file(path, root))
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


def _write_file(path: Path, root: Path) -> None:
    with open_output(path, replace=True) as (fd, shown):
        _write(TarWriter.to(fd, shown), root)


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
