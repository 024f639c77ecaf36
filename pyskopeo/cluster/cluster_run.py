"""One run on a cluster: hands groups to the scheduler, takes what workers report, ends all of them at the end."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionFailed, PyskopeoError, first_error
from ..fast_dataclass import dataclass
from ..streams.concurrency import work_off
from ..syncing.presence import PresenceCheck
from ..syncing.record import Record
from ..syncing.sync_request import ImageResult, LogMessage, SyncFailed, SyncReport
from . import worker
from .attempts import Attempt, Attempts
from .connection import Scheduler, TaskFailed
from .group_task import GroupTask
from .grouping import group_images
from .hidden_text import HiddenText
from .outgoing import Outgoing
from .topics import TO_PROGRAM, unpack
from .versions import check_versions

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ..access import Access
    from ..syncing.plan_file import PlanHeader, PlannedImage
    from ..syncing.sync_request import SyncRequest, SyncSink
    from .sent_credentials import SentCredentials
    from .settings import WorkerSettings

_GROUPS_AT_ONCE = 256  # that are handed to the scheduler; it has them wait for a thread of a worker
_WATCH, _POLL = 0.5, 0.05  # seconds
_ENDING = 5.0  # seconds for workers to end what they are doing
_ATTEMPTS = 5  # at a group whose worker ended it before its end
_STOPPED = "the workers have stopped before they had copied all images that they were given"


async def wait_for_workers(scheduler: Scheduler, seconds: float) -> Mapping[str, int]:
    """Return the number of threads of each worker, by its address, when there are some.

    A cluster that grows with its work is given some: a task that says which versions it has. Raises `ConnectionFailed`
    after so many seconds, and `Unsupported` for workers that cannot run the tasks of this program.
    """
    from anyio import move_on_after

    if not await scheduler.threads():
        with move_on_after(seconds) as waiting:
            try:
                await scheduler.run_task(worker.describe, key=f"pyskopeo-{secrets.token_hex(8)}")
            except TaskFailed:
                pass  # `check_versions` says what is wrong
        if waiting.cancelled_caught:
            raise ConnectionFailed(f"the Dask scheduler at {scheduler.address} has no workers: start some", host="")
    check_versions(worker.describe(), await scheduler.call(worker.describe))
    return await scheduler.threads()


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What is copied on a cluster, and how: a plan, its request, what goes to workers."""

    header: PlanHeader
    images: Sequence[PlannedImage]
    request: SyncRequest
    settings: WorkerSettings
    credentials: SentCredentials | None = None


class ClusterRun:
    """Copies the images of a plan on the workers of ``scheduler``; ``threads`` is the number of tasks at once."""

    def __init__(self, scheduler: Scheduler, plan: ClusterPlan, threads: int, emit: SyncSink) -> None:
        self._scheduler, self._plan, self._emit = scheduler, plan, emit
        self._name = secrets.token_hex(8)
        self._groups = group_images(plan.images, threads, plan.request.jobs)
        self._outgoing = Outgoing(scheduler, self._name)
        self._attempts = Attempts([one.image for one in plan.images], self._groups, emit, self._outgoing.put)
        self._has_credentials: set[str] = set()  # addresses of workers
        self._is_ending = False
        self._tasks: TaskGroup
        self._record: Record
        self._presence: PresenceCheck

    async def run(self, writing: Access) -> None:
        """Copy the images; ``writing`` is the access of the destination. Raises `SyncFailed`."""
        from anyio import CancelScope, create_task_group, move_on_after

        request = self._plan.request
        # That of a local destination is kept by the workers, which have it before them.
        self._record = Record(request.record if request.destination_transport == "docker" else None, self._warn)
        self._presence = PresenceCheck(request, self._record, writing)
        try:
            with first_error():
                async with create_task_group() as self._tasks:
                    self._scheduler.listen(TO_PROGRAM, self._receive)
                    self._tasks.start_soon(self._outgoing.send_all)
                    self._tasks.start_soon(self._watch)
                    await work_off(range(len(self._groups)), self._run_group, at_once=_GROUPS_AT_ONCE)
                    self._tasks.cancel_scope.cancel()
        except ConnectionFailed as error:
            raise SyncFailed(
                f"{error}: when it and its workers run again, repeat this; what was copied is not copied again",
                report=SyncReport((), 0),
            ) from None
        finally:
            self._is_ending = True
            with CancelScope(shield=True):
                with move_on_after(_ENDING):
                    await self._end()
                await self._write_record()
                await self._record.save()

    def _receive(self, event: object) -> None:
        """Take messages of workers."""
        run, name, messages = unpack(event)
        if run != self._name:
            return
        for message in messages:
            if message["kind"] == "hello" and not self._is_ending:
                attempt = self._attempts.begin(name, message)
                if attempt is not None:
                    self._tasks.start_soon(self._welcome, attempt)
        self._attempts.take(name, messages)

    async def _welcome(self, attempt: Attempt) -> None:
        """Tell an attempt what it need not copy any more, after its worker has what credentials it needs."""
        credentials = self._plan.credentials
        if credentials is not None and attempt.address not in self._has_credentials:
            if not attempt.address.startswith("tls://"):
                raise _failed(f"no credentials are sent to {attempt.address}, which is without TLS")
            hidden = HiddenText(credentials.to_text())
            found = await self._scheduler.call(
                worker.receive_credentials, self._name, hidden, workers=[attempt.address]
            )
            if found.get(attempt.address) is not True:
                return  # the worker is gone
            self._has_credentials.add(attempt.address)
        welcome = {"kind": "welcome", "done": self._attempts.done_positions(attempt.group)}
        self._outgoing.put(attempt.address, attempt.name, welcome)

    async def _run_group(self, number: int) -> None:
        """Have a group copied; raises `SyncFailed` if that fails and the run is not to go on."""
        error: Mapping[str, Any] | None = {"message": _STOPPED, "exitCode": 1}
        for attempt in range(_ATTEMPTS):
            key = f"pyskopeo-{self._name}-{number}-{attempt}"
            try:
                document = json.loads(await self._scheduler.run_task(worker.run_group, self._text(number), key=key))
            except TaskFailed as failure:
                document = {"results": [], "error": {"message": str(failure), "exitCode": 1}}
            for result in document["results"]:  # most of them have been reported before
                self._attempts.finish(result)
            if document["error"] or len(self._attempts.done_positions(number)) == len(self._groups[number]):
                error = document["error"]
                break
        self._attempts.end_group(number)
        if error is not None:
            self._fail(number, str(error["message"]), int(error["exitCode"]))

    def _fail(self, number: int, message: str, exit_code: int) -> None:
        """Report the error of a group; raises `SyncFailed` if the run is not to go on."""
        if not self._plan.request.keep_going:
            raise _failed(message, exit_code)
        self._emit(LogMessage("error", message))
        for position in self._groups[number]:
            failed = ImageResult(self._plan.images[position].image, "failed", error=message)
            self._attempts.finish_image(position, failed)

    def _text(self, number: int) -> str:
        """Return what the task of a group is given."""
        plan, request = self._plan, self._plan.request
        images = {position: plan.images[position] for position in self._groups[number]}
        keys = {self._presence.key(one.image) for one in images.values()}
        records = {key: entry for key in keys if (entry := self._record.get(key)) is not None}
        return GroupTask(
            self._name, number, plan.header, images, plan.settings, request.jobs, request.keep_going,
            claims=True, credentials=plan.credentials is not None, waits=request.on_rate_limit == "wait",
            records=records,
        ).to_text()  # fmt: skip

    async def _watch(self) -> None:
        """Notice when the scheduler or a worker is gone, and write down what was done; raises `ConnectionFailed`."""
        from anyio import sleep

        while True:
            await sleep(_WATCH)
            self._attempts.keep_workers(await self._scheduler.threads())
            await self._write_record()

    async def _write_record(self) -> None:
        entries, self._attempts.entries = self._attempts.entries, []
        for image, entry in entries:
            await self._record.put(self._presence.key(image), entry)

    async def _end(self) -> None:
        """End what still runs on workers, and wait for it; forget the credentials there."""
        from anyio import sleep

        if not self._scheduler.is_there:
            return
        try:
            for attempt in self._attempts.running:
                self._outgoing.put(attempt.address, attempt.name, {"kind": "cancel"})
            await self._outgoing.flush()
            while self._attempts.running:  # noqa: ASYNC110  # what Dask delivers is no event of this loop
                await sleep(_POLL)
            if self._has_credentials:
                addresses = list(self._has_credentials)
                await self._scheduler.call(worker.forget_credentials, self._name, workers=addresses)
            self._scheduler.listen_no_more(TO_PROGRAM)
        except ConnectionFailed:
            return  # and its workers end their tasks by themselves

    def _warn(self, text: str) -> None:
        self._emit(LogMessage("warning", text))


def _failed(message: str, exit_code: int = 1) -> PyskopeoError:
    return SyncFailed(message, report=SyncReport((), 0), exit_code=exit_code)
