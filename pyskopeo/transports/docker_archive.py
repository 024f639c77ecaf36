"""``docker-archive:path[:name:tag]``: a tar file for ``docker load`` and from ``docker save``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, unscoped
from ..errors import InvalidName
from ..interfaces import ImageReference, ImageSource
from ..model.reference import Reference
from ..storage.archive_output import check_output
from ..storage.docker_archive.reader import DockerArchive, DockerArchiveSource
from ..storage.docker_archive.writer import DockerArchiveDestination
from ..storage.scratch import readable_archive, scratch_directory

if TYPE_CHECKING:
    from ..access import Access


class DockerArchiveReference(ImageReference):
    """The path of an archive and the image in it: by ``name``, by ``position`` from 0 to read, or the only one."""

    transport = "docker-archive"

    def __init__(self, details: str, path: Path, name: Reference | None, position: int | None) -> None:
        super().__init__(details)
        self.path, self.name, self.position = path, name, position

    @property
    def repository_name(self) -> str:
        return self.name.name if self.name else ""

    def subject(self) -> Subject:
        return unscoped("docker-archive")

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        return _open_source(self, access)

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[DockerArchiveDestination]:
        if self.position is not None:
            raise InvalidName(f"{self}: an image by position can only be read, not written")
        return _open_destination(self, access)


def parse(details: str) -> DockerArchiveReference:
    """Parse what follows ``docker-archive:``; the path ends at the first colon. Raises `InvalidName`."""
    path, colon, rest = details.partition(":")
    if not path:
        raise InvalidName(f"docker-archive:{details}: want docker-archive:path[:name:tag]")
    if not colon or not rest:
        return DockerArchiveReference(details, Path(path), None, None)
    if rest.startswith("@"):
        if not (rest[1:].isascii() and rest[1:].isdigit() and len(rest) < 10):
            raise InvalidName(f"docker-archive:{details}: after @ comes the position of an image, from 0")
        return DockerArchiveReference(details, Path(path), None, int(rest[1:]))
    return DockerArchiveReference(details, Path(path), parse_tag(rest), None)


def parse_tag(text: str) -> Reference:
    """Parse a name and tag for an image in an archive; raises `InvalidName`, also for a digest."""
    name = Reference.parse(text)
    if name.digest is not None:
        raise InvalidName(f"docker-archive doesn't support digest references, got {text}")
    return name


@asynccontextmanager
async def _open_source(reference: DockerArchiveReference, access: Access) -> AsyncIterator[ImageSource]:
    async with _opened(reference.path, access) as archive:
        chosen = archive.choose(reference.name, reference.position)
        yield DockerArchiveSource(archive, chosen, access.storage.max_inflated)


@asynccontextmanager
async def _opened(path: Path, access: Access) -> AsyncIterator[DockerArchive]:
    """Open an archive, unless it is open for all images of a run."""
    if access.storage.shared_files is not None:
        from ..storage.shared_files import RunFiles

        if (archive := RunFiles.of(access).docker_archive(path)) is not None:
            yield archive
            return
    async with readable_archive(path, access.storage.scratch, access.storage.max_inflated) as index:
        yield DockerArchive.read(index)


@asynccontextmanager
async def _open_destination(
    reference: DockerArchiveReference, access: Access
) -> AsyncIterator[DockerArchiveDestination]:
    check_output(reference.path, replace=False)
    tags = [*([reference.name] if reference.name else []), *map(parse_tag, access.writing.additional_tags)]
    scratch = scratch_directory(reference.path, access.storage)
    destination = DockerArchiveDestination(reference.path, scratch, tuple(tags))
    failed = True
    try:
        async with destination:
            yield destination
        failed = False
    finally:
        scratch.close(failed=failed, useful=destination.is_resumable)
