"""``oci:path[:name]``: an OCI layout in a directory (OCI image specification, "Image Layout")."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_path
from ..errors import InvalidName
from ..interfaces import ImageDestination, ImageReference, ImageSource
from ..model.layout import check_name
from ..storage.files import real_path
from ..storage.oci_layout import DirectoryFiles, LayoutSource, LayoutWriter

if TYPE_CHECKING:
    from ..access import Access


class OciReference(ImageReference):
    """The path of a layout and the reference name of an image in it, or ``@N`` for the N-th image, from 0, to read."""

    transport = "oci"

    def __init__(self, details: str, path: Path, name: str) -> None:
        super().__init__(details)
        self.path, self.name = path, name

    def subject(self) -> Subject:
        return by_path("oci", real_path(self.path))

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        return _open_source(self, access)

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        if self.name.startswith("@"):
            raise InvalidName(f"{self}: an image by position can only be read, not written")
        return _open_destination(self, access)


def parse(details: str) -> OciReference:
    """Parse what follows ``oci:``; the path ends at the first colon. Raises `InvalidName`."""
    path, _, name = details.partition(":")
    if not path:
        raise InvalidName(f"oci:{details}: want oci:path[:name]")
    if name and not name.startswith("@"):
        check_name(name)
    if name.startswith("@") and not (name[1:].isascii() and name[1:].isdigit()):
        raise InvalidName(f"oci:{details}: after @ comes the position of an image, from 0")
    return OciReference(details, Path(path), name)


@asynccontextmanager
async def _open_source(reference: OciReference, access: Access) -> AsyncIterator[ImageSource]:
    yield LayoutSource(DirectoryFiles(reference.path, access.storage.shared_blobs), reference.name, str(reference.path))


@asynccontextmanager
async def _open_destination(reference: OciReference, access: Access) -> AsyncIterator[ImageDestination]:
    writer = LayoutWriter(
        reference.path,
        reference.name,
        shared=access.storage.shared_blobs,
        verify_existing=access.writing.verify_existing,
    )
    writer.check()
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise
