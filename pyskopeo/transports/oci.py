"""``oci:path[:name]``: an OCI layout in a directory (OCI image specification, "Image Layout")."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_path
from ..errors import InvalidName
from ..interfaces import ImageDestination, ImageReference, ImageSource
from ..model.events import Warned
from ..model.layout import check_name
from ..storage.files import real_path
from ..storage.layout_writer import LayoutWriter
from ..storage.oci_layout import DirectoryFiles, LayoutSource
from ..storage.shared_files import RunFiles

if TYPE_CHECKING:
    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..streams.byte_streams import BlobReader


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
    files = DirectoryFiles(reference.path, access.storage.shared_blobs)
    index = RunFiles.of(access).index(reference.path)
    source = partial(
        LayoutSource, files, reference.name, str(reference.path),
        index=index, open_external=partial(_open_external, reference, access),
    )  # fmt: skip
    if access.storage.store is None:
        yield source()
        return
    from ..storage.pull_through import open_through

    async with open_through(None, access) as through:
        yield source(through=through.blob)


def _open_external(
    reference: OciReference, access: Access, descriptor: Descriptor, offset: int
) -> AbstractAsyncContextManager[BlobReader]:
    from ..registry.external_blob import open_external_blob

    return open_external_blob(descriptor, str(reference), access, offset)


@asynccontextmanager
async def _open_destination(reference: OciReference, access: Access) -> AsyncIterator[ImageDestination]:
    files = RunFiles.of(access)
    storage = access.storage

    def warn(message: str) -> None:
        access.report(Warned(message))

    writer = LayoutWriter(
        reference.path, reference.name, files, files.existing_blobs(access, warn),
        shared=storage.shared_blobs, resume=storage.resume, writing=access.writing, warn=warn,
    )  # fmt: skip
    writer.check()
    try:
        yield writer
    finally:
        writer.close()
        if access.storage.shared_files is None:
            files.remove_empty_directories()
            files.save()
