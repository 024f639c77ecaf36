"""``oci-archive:path[:name]``: an OCI layout in a tar file, reproducible byte for byte (OCI image specification)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_path
from ..errors import InvalidName
from ..interfaces import ImageDestination, ImageReference, ImageSource
from ..model.layout import INDEX_FILE, LAYOUT_FILE, check_name
from ..storage.archive_output import check_output, open_output
from ..storage.files import real_path
from ..storage.oci_layout import LayoutSource, LayoutWriter
from ..storage.scratch import readable_archive, scratch_directory
from ..storage.tar import TarWriter
from ..streams.cancellation import run_in_thread

if TYPE_CHECKING:
    from ..access import Access


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
    async with readable_archive(reference.path, access.storage.scratch) as index:
        yield LayoutSource(index, reference.name, str(reference.path))


@asynccontextmanager
async def _open_destination(reference: OciArchiveReference, access: Access) -> AsyncIterator[ImageDestination]:
    check_output(reference.path, replace=True)
    with scratch_directory(reference.path, access.storage.scratch) as scratch:
        yield LayoutWriter(scratch, reference.name)
        if not (scratch / INDEX_FILE).exists():
            return  # nothing was committed
        with open_output(reference.path, replace=True) as (fd, path):
            await run_in_thread(lambda: _write(TarWriter.to(fd, path), scratch))


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
