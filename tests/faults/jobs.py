"""One copy or one sync as a value, so that it can be run in this process and in another one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pyskopeo
from pyskopeo.access import Access, Ranges, Storage
from pyskopeo.http.retry import Retry
from pyskopeo.model.events import Report, ignore
from pyskopeo.model.platform import Platform
from pyskopeo.registry import part_count, part_workers, parted_download
from pyskopeo.registry.range_hosts import HOSTS
from pyskopeo.streams import part_schedule, pump
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
    seconds is given up; after each of `RETRIES` failures there is a retry at once. ``resume`` and ``store`` are those of `Storage`.
    With ``in_parts`` blobs are fetched in parts, although they are small. Requests have ``agent`` as their ``User-Agent``: those of one run may arrive when the next one has begun.
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
    in_parts: bool = False
    store: Path | None = None

    async def run(self, report: Report = ignore) -> None:
        """Do it; raises what `pyskopeo.copy` and `pyskopeo.sync` raise. ``report`` gets the events of the copies."""
        with parts_soon() if self.in_parts else nullcontext():
            await self._run(report)

    async def _run(self, report: Report) -> None:
        storage = Storage(cache=self.home / "cache", resume=self.resume, store=self.store)
        reading = self._access(storage)
        writing = self._access(replace(storage, shared_blobs=self.shared_blobs))
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
        ranges = _PARTS if self.in_parts else Ranges(parts=0)
        return replace(networked(access, user_agent=self.agent, ranges=ranges), storage=storage)


_PARTS = Ranges(parts=4, size=64 * 1024, least=256 * 1024)


@contextmanager
def parts_soon() -> Iterator[None]:
    """Let it be decided within a tenth of the time, on a tenth of the bytes, that parts are fetched.

    The stream, which keeps what it has a buffer for, has a smaller one.
    """
    values = {
        (pump, "BUFFER_SIZE"): 64 * 1024, (pump, "_local"): threading.local(),
        (part_workers, "_PERIOD"): 0.03, (part_workers, "_TICK"): 0.01, (part_workers, "_LEAD"): 0.05,
        (part_count, "_WINDOW"): 0.05, (part_schedule, "_PROOF"): 32 * 1024, (parted_download, "_PATIENCE"): 0.3,
    }  # fmt: skip
    before = {key: getattr(*key) for key in values}
    HOSTS.clear()
    try:
        for (module, name), value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)
        HOSTS.clear()
