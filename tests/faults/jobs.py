"""One copy or one sync as a value, so that it can be run in this process and in another one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pyskopeo
from pyskopeo.access import Access, Storage
from pyskopeo.http.retry import Retry
from pyskopeo.model.events import Report, ignore
from pyskopeo.model.platform import Platform
from pyskopeo.syncing.record import RECORD_NAME
from pyskopeo.syncing.sync import sync
from pyskopeo.syncing.sync_request import ImageEvent, SyncEvent, SyncRequest
from tests.support.access import access_for, networked

RETRIES = 2
LINUX = pyskopeo.Selection(Platform("linux", "amd64"))


@dataclass(frozen=True, slots=True)
class Job:
    """``pyskopeo copy SOURCE DESTINATION``, or a sync of all of a source where `syncs` names the two transports.

    ``shared_blobs`` is the directory of the destination's blobs. A transfer that stands still for ``stall_timeout``
    seconds is given up; after each of `RETRIES` failures there is a retry at once. ``resume`` is that of `Storage`.
    Requests have ``agent`` as their ``User-Agent``: those of one run may arrive when the next one has begun.
    """

    source: str
    destination: str
    home: Path
    syncs: tuple[str, str] | None = None
    shared_blobs: Path | None = None
    stall_timeout: float = 20.0
    jobs: int = 6
    resume: bool = True
    agent: str = "first"

    async def run(self, report: Report = ignore) -> None:
        """Do it; raises what `pyskopeo.copy` and `pyskopeo.sync` raise. ``report`` gets the events of the copies."""
        reading = self._access(Storage(cache=self.home / "cache"))
        writing = self._access(Storage(cache=self.home / "cache", shared_blobs=self.shared_blobs, resume=self.resume))
        if self.syncs is None:
            await pyskopeo.copy(
                self.source, self.destination, selection=LINUX, jobs=self.jobs, report=report,
                source_access=reading, destination_access=writing,
            )  # fmt: skip
            return

        def pass_on(event: SyncEvent) -> None:
            if isinstance(event, ImageEvent):
                report(event.event)

        source, destination = self.syncs
        folder = self.home if destination == "docker" else Path(self.destination)
        request = SyncRequest(source, self.source, destination, self.destination, LINUX, record=folder / RECORD_NAME)
        await sync(request, source_access=reading, destination_access=writing, report=pass_on)

    def _access(self, storage: Storage) -> Access:
        access = access_for(self.home, stall_timeout=self.stall_timeout, retry=Retry(RETRIES, delay=0.001))
        return replace(networked(access, user_agent=self.agent), storage=storage)
