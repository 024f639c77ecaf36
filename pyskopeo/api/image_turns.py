"""Images that are written into one archive: their manifests are read beside each other, they are written in turn."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from ..engine.destination_wrapper import DestinationWrapper
from ..fast_dataclass import replace
from ..interfaces import ImageDestination, ImageReference
from ..model.events import CopyFinished, Event, Report

if TYPE_CHECKING:
    import anyio

    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..storage.docker_archive.writer import DockerArchiveDestination
    from ..transports.docker_archive import DockerArchiveReference


class Turn:
    """When an image is written: after ``before`` has been, None for the first one.

    Its events are given to `report`, which passes them on in its turn. ``ended`` is set at the end of the turn.
    """

    def __init__(self, report: Report, before: Turn | None = None) -> None:
        from anyio import Event as Signal

        self.ended: anyio.Event = Signal()
        self._report, self._before = report, before
        self._early: list[Event] = []
        self._waited = 0.0

    async def wait(self) -> None:
        """Wait until it is the turn of this image."""
        if self._before is not None:
            started = time.monotonic()
            await self._before.ended.wait()
            self._waited += time.monotonic() - started
            self._before = None
        self._pass_on()

    def report(self, event: Event) -> None:
        """Take an event; the seconds of `CopyFinished` become those without the time spent in `wait`."""
        if isinstance(event, CopyFinished):
            event = replace(event, seconds=round(max(0.0, event.seconds - self._waited), 3))
        self._early.append(event)
        if self._before is None or self._before.ended.is_set():
            self._pass_on()

    def _pass_on(self) -> None:
        early, self._early = self._early, []
        for event in early:
            self._report(event)


class ArchivedImage(ImageReference):
    """An image with ``names`` in an archive that is open already, and stays open.

    ``planned`` are the digests of the blobs that images before it have, for dry runs.
    """

    transport = "docker-archive"

    def __init__(
        self, reference: DockerArchiveReference, archive: DockerArchiveDestination, names: tuple[Reference, ...],
        turn: Turn, planned: set[Digest],
    ) -> None:  # fmt: skip
        super().__init__(f"{reference.path}:{names[0]}" if names else str(reference.path))
        self._archive, self._names, self._turn, self._planned = archive, names, turn, planned

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[ImageDestination]:
        yield _InTurn(self._archive, self._names, self._turn, self._planned)


class _InTurn(DestinationWrapper):
    """Writes an image into an archive in its turn."""

    def __init__(
        self, archive: DockerArchiveDestination, names: tuple[Reference, ...], turn: Turn, planned: set[Digest]
    ) -> None:
        super().__init__(archive)
        self._archive, self._names, self._turn, self._planned = archive, names, turn, planned

    async def begin(self, root: Manifest) -> None:
        await self._turn.wait()
        await super().begin(root)

    async def has_blob(self, descriptor: Descriptor) -> bool:
        await self._turn.wait()
        return descriptor.digest in self._planned or await super().has_blob(descriptor)

    async def commit(self, root: Manifest) -> Digest:
        self._archive.set_tags(*self._names)
        return await super().commit(root)
