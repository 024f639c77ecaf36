"""One attempt at a task, on a worker: copies a group of images, reports what happens, ends when it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import PyskopeoError
from ..fast_dataclass import replace
from ..model.events import BlobFinished, BlobProgress
from ..syncing.planned_run import planned_request, run_planned
from ..syncing.presence import PresenceCheck
from ..syncing.record import Record
from ..syncing.shared_blobs import SharedBlobs
from ..syncing.sync_request import ImageEvent, ImageFinished, ImageWaiting, LogMessage, SyncFailed
from .mailbox import Mailbox, NotAnswered
from .messages import encode_event, encode_result
from .worker_claims import WorkerClaims

if TYPE_CHECKING:
    from anyio import CancelScope
    from distributed import Worker

    from ..access import Access
    from ..model.events import Event
    from ..syncing.sync_request import SyncEvent, SyncRequest
    from .group_task import GroupTask
    from .sent_credentials import SentCredentials
    from .topics import Message

_WATCH = 0.5  # seconds
_RUNNING = ("executing", "long-running")  # states of a task, as Dask's worker knows it
_NO_ANSWER = "the program that runs the sync does not answer"


class WorkerRun:
    """Copies the images of ``task``; ``key`` is its name on the scheduler, ``credentials`` returns those of a run."""

    def __init__(
        self, task: GroupTask, worker: Worker, key: Any, credentials: Callable[[str], SentCredentials | None]
    ) -> None:
        self._task, self._worker, self._key, self._credentials = task, worker, key, credentials
        self._positions = {image.image: position for position, image in task.images.items()}
        self._results: dict[int, dict[str, Any]] = {}
        self._error: dict[str, Any] | None = None
        self._record: Record | None = None
        self._presence: PresenceCheck | None = None

    async def run(self) -> str:
        """Copy the images; return the JSON text of their results."""
        from anyio import CancelScope, create_task_group

        self._scope: CancelScope = CancelScope()
        async with Mailbox(self._worker, self._task.run, self._receive) as mailbox, create_task_group() as tasks:
            self._mailbox, self._claims = mailbox, WorkerClaims(mailbox)
            tasks.start_soon(mailbox.send_all)
            tasks.start_soon(mailbox.send_urgent)
            tasks.start_soon(self._watch)
            with self._scope:
                await self._introduce_and_copy()
            tasks.cancel_scope.cancel()
        return json.dumps({"results": list(self._results.values()), "error": self._error})

    def _receive(self, message: Message) -> None:
        if message["kind"] == "cancel":
            self._scope.cancel()
        elif message["kind"] == "blob":
            self._claims.answer(message)

    async def _watch(self) -> None:
        """End the copies when Dask does not want the task any more: it was cancelled, or the program is gone."""
        from anyio import sleep

        while True:
            await sleep(_WATCH)
            found = self._worker.state.tasks.get(self._key)
            if found is None or found.state not in _RUNNING or self._worker.status.name not in ("running", "paused"):
                self._scope.cancel()
                return

    async def _introduce_and_copy(self) -> None:
        worker = {"worker": self._worker.address, "name": str(self._worker.name), "group": self._task.group}
        try:
            answer = await self._mailbox.introduce(worker)
            done = set(answer.get("done") or ())
            await self._copy({position for position in self._task.images if position not in done})
        except NotAnswered:
            self._error = {"message": _NO_ANSWER, "exitCode": 1}
        except SyncFailed as error:
            if not self._task.keep_going:
                self._error = {"message": str(error), "exitCode": error.exit_code}
        except PyskopeoError as error:
            self._error = {"message": str(error), "exitCode": error.exit_code}

    async def _copy(self, positions: set[int]) -> None:
        reading, writing = self._accesses()
        request = planned_request(
            self._task.header, keep_going=self._task.keep_going, jobs=max(self._task.jobs, 1), access=writing
        )
        request = replace(request, on_rate_limit="wait" if self._task.waits else "fail")
        if request.destination_transport == "docker":  # the record of a registry is where the program runs
            request = replace(request, record=None)
            self._record = Record(None, self._warn, self._task.records)
            self._presence = PresenceCheck(request, self._record, writing)
        await run_planned(
            request,
            [image for position, image in self._task.images.items() if position in positions],
            source_access=reading,
            destination_access=writing,
            report=self._report,
            shared=SharedBlobs(self._claims if self._has_claims(request) else None),
            record=self._record,
        )

    def _has_claims(self, request: SyncRequest) -> bool:
        return self._task.claims and request.destination_transport == "docker"

    def _accesses(self) -> tuple[Access, Access]:
        def report(event: Event) -> None:
            self._report(ImageEvent(None, event))

        reading, writing = self._task.settings.accesses(report)
        sent = self._credentials(self._task.run) if self._task.credentials else None
        if sent is None:
            return reading, writing
        return (
            replace(reading, keychain=sent.source.keychain(reading.keychain)),
            replace(writing, keychain=sent.destination.keychain(writing.keychain)),
        )

    def _warn(self, text: str) -> None:
        self._report(LogMessage("warning", text))

    def _report(self, event: SyncEvent) -> None:
        if isinstance(event, ImageFinished):
            self._finish(event)
            return
        message = encode_event(event, self._positions)
        if message is None:
            return
        if isinstance(event, ImageWaiting):
            self._mailbox.put_latest(event.image, message)
            return
        blob = event.event if isinstance(event, ImageEvent) else None
        if isinstance(blob, BlobProgress):
            self._mailbox.put_latest((message["image"], blob.digest), message)
            return
        if isinstance(blob, BlobFinished):
            self._mailbox.put_latest((message["image"], blob.digest), None)
        self._mailbox.put(message)

    def _finish(self, event: ImageFinished) -> None:
        result, entry = event.result, None
        if self._record is not None and self._presence is not None and result.status in ("copied", "present"):
            entry = self._record.get(self._presence.key(result.image))
        position = self._positions[result.image]
        document = encode_result(result, position, entry)
        self._results[position] = document
        self._mailbox.put({"kind": "finished", **document})
