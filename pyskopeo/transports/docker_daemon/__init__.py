"""``docker-daemon:name:tag``: an image in a Docker daemon, read and written as by ``docker save`` and ``docker load``.

The daemon is reached by the Docker Engine API, over a Unix socket or TCP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ...config.policy_scopes import Subject, by_reference, unscoped
from ...errors import InvalidDigest, InvalidName
from ...interfaces import ImageDestination, ImageReference, ImageSource
from ...model.digest import Digest
from ...model.reference import Reference
from ...storage.docker_archive.reader import DockerArchive, DockerArchiveSource
from ...storage.docker_archive.writer import DockerArchiveDestination
from ...storage.scratch import temporary_directory
from ...storage.tar import TarIndex, TarWriter
from ...streams.cancellation import run_in_thread

if TYPE_CHECKING:
    from ...access import Access

_RESERVED = "docker.io/library/sha256"


class DockerDaemonReference(ImageReference):
    """The name of an image in a daemon: a ``reference`` with a tag or a digest, or an image ID.

    Exactly one of ``reference`` and ``image_id`` is not None. An image ID is the digest of the image's configuration.
    """

    transport = "docker-daemon"

    def __init__(self, details: str, reference: Reference | None, image_id: Digest | None) -> None:
        super().__init__(details)
        self.reference, self.image_id = reference, image_id

    def subject(self) -> Subject:
        return by_reference("docker-daemon", self.reference) if self.reference else unscoped("docker-daemon")

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        """Download the whole image to a temporary file, which is removed on exit, and open that.

        Raises `PathNotFound` if there is no such image, `InvalidInput` for an address that cannot be used, and
        `NetworkError`.
        """
        return _open_source(self, access)

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        """Open a destination that sends the image while it is written; the daemon loads it on exit.

        Raises `InvalidName` for a name without a tag, `InvalidInput` for an address that cannot be used, and
        `NetworkError`.
        """
        if self.reference is None or not self.reference.tag:
            raise InvalidName(f"Invalid destination {self}: a destination must be a name:tag")
        return _open_destination(self, self.reference, access)


def parse(details: str) -> DockerDaemonReference:
    """Parse ``name:tag``, ``name@digest`` or the digest of a configuration; raises `InvalidName`."""
    try:
        image_id = Digest.parse(details)
    except InvalidDigest:
        image_id = None
    if image_id is not None and image_id.verifiable:
        return DockerDaemonReference(details, None, image_id)
    name = Reference.parse(details, default_tag="")
    if name.name == _RESERVED:
        raise InvalidName(
            f"Invalid docker-daemon: reference {details}: The sha256 repository name is reserved for "
            "(non-shortened) digest references"
        )
    if not name.tag and name.digest is None:
        raise InvalidName(f"docker-daemon: reference {details} has neither a tag nor a digest")
    if name.tag and name.digest is not None:
        raise InvalidName("docker-daemon: references with both a tag and digest are currently not supported")
    return DockerDaemonReference(details, name, None)


@asynccontextmanager
async def _open_source(reference: DockerDaemonReference, access: Access) -> AsyncIterator[ImageSource]:
    from .engine_api import DaemonClient

    client = await DaemonClient.open(access)
    async with client.save(str(reference.reference or reference.image_id), access.storage.scratch) as path:
        archive = DockerArchive.read(await run_in_thread(lambda: TarIndex.read(path, Path(str(reference)))))
        yield DockerArchiveSource(archive, archive.choose(None, None), access.storage.max_inflated)


@asynccontextmanager
async def _open_destination(
    reference: DockerDaemonReference, name: Reference, access: Access
) -> AsyncIterator[ImageDestination]:
    from .engine_api import DaemonClient
    from .image_load import ImageLoad

    client = await DaemonClient.open(access)
    tags = (name, *map(Reference.parse, access.writing.additional_tags))
    path = Path(str(reference))
    with temporary_directory(access.storage.scratch) as scratch:
        async with ImageLoad.open(client) as load:
            archive = TarWriter(load, path)
            async with DockerArchiveDestination(path, scratch, tags, lambda: nullcontext(archive)) as destination:
                yield destination
            await load.finish()
