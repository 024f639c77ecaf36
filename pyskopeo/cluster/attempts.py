"""What the program that runs a sync knows of the tasks on the workers, from their messages; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..errors import InvalidContent
from ..fast_dataclass import dataclass, replace
from ..streams.locations import RegistryBlob
from ..syncing.record import Entry
from ..syncing.sync_request import (
    ImageFinished,
    ImageResult,
    ImageStarted,
    LogMessage,
    SyncEvent,
    SyncImage,
    SyncSink,
)
from .blob_claims import Answer, BlobClaims
from .messages import decode_event, decode_result
from .topics import Message

Tell = Callable[[str, str, Message], None]
"""Sends a message to an attempt, on the worker at an address: address, attempt, message."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a task on a worker: of group number ``group``, at the worker's ``address``."""

    name: str
    group: int
    address: str


class Attempts:
    """Takes the messages of all attempts: reports events, answers claims, keeps results.

    ``images`` are those of the plan, ``groups`` the positions of those of each group. ``emit`` is called with every
    event, with the result of an image once, however often its task runs. ``tell`` sends messages.
    """

    def __init__(
        self, images: Sequence[SyncImage], groups: Sequence[Sequence[int]], emit: SyncSink, tell: Tell
    ) -> None:
        self._images, self._groups, self._emit, self._tell = images, groups, emit, tell
        self._attempts: dict[str, Attempt] = {}  # the latest of each group that is not finished
        self._ended: set[int] = set()  # groups
        self._claims = BlobClaims()
        self._has_workers = True
        self._started: dict[int, int] = {}  # their numbers, by position
        self.finished: set[int] = set()
        """Positions of the images that have a result."""
        self.entries: list[tuple[SyncImage, Entry]] = []
        """What is to be recorded; the caller takes it away."""

    @property
    def running(self) -> tuple[Attempt, ...]:
        """The attempts that have begun and not ended."""
        return tuple(self._attempts.values())

    def begin(self, name: str, message: Message) -> Attempt | None:
        """Note an attempt that introduces itself; None if nobody waits for it: then it is told to end."""
        group, address = message.get("group"), message.get("worker")
        if not isinstance(group, int) or not 0 <= group < len(self._groups) or not isinstance(address, str):
            return None
        if group in self._ended:
            self._tell(address, name, {"kind": "cancel"})
            return None
        for earlier in self.running:
            if earlier.group == group and earlier.name != name:
                self.end(earlier)
                self._tell(earlier.address, earlier.name, {"kind": "cancel"})
        return self._attempts.setdefault(name, Attempt(name, group, address))

    def done_positions(self, group: int) -> list[int]:
        """Return the positions of the images of a group that have a result."""
        return [position for position in self._groups[group] if position in self.finished]

    def take(self, name: str, messages: Sequence[Message]) -> None:
        """Take messages of an attempt; raises nothing for those that are not understood, but leaves them out."""
        attempt = self._attempts.get(name)
        if attempt is None:
            return
        for message in messages:
            try:
                self._take(attempt, message)
            except (AttributeError, KeyError, ValueError, TypeError, IndexError, InvalidContent):
                continue  # not by a worker of this program: anybody may write to the topic

    def _take(self, attempt: Attempt, message: Message) -> None:
        kind = message["kind"]
        if kind == "claim":
            self._answer(self._claims.claim(attempt.name, str(message["digest"])))
        elif kind == "placed":
            place = RegistryBlob(str(message["host"]), str(message["repository"]))
            self._answer(self._claims.placed(attempt.name, str(message["digest"]), place))
        elif kind == "released":
            self._answer(self._claims.released(attempt.name, str(message["digest"])))
        elif kind == "finished":
            self.finish(message)
        elif kind == "ended":
            self.end(attempt)
        elif (event := decode_event(message, self._images)) is not None:
            self._emit_event(event, message.get("image"))

    def _emit_event(self, event: SyncEvent, position: Any) -> None:
        if position in self.finished:
            return
        if isinstance(event, ImageStarted):
            number = self._started.setdefault(position, len(self._started) + 1)
            event = replace(event, position=number, total=len(self._images))
        self._emit(event)

    def finish(self, document: Mapping[str, Any]) -> None:
        """Take the result of an image; later ones of the same image are ignored: they find it present."""
        result, entry = decode_result(document, self._images)
        self.finish_image(document["image"], result)
        if entry is not None:
            self.entries.append((result.image, entry))

    def finish_image(self, position: int, result: ImageResult) -> None:
        """Report the result of an image, if it has none."""
        if position not in self.finished:
            self.finished.add(position)
            self._emit(ImageFinished(result))

    def end_group(self, group: int) -> None:
        """Note that the task of a group has ended for good."""
        self._ended.add(group)
        for attempt in self.running:
            if attempt.group == group:
                self.end(attempt)

    def end(self, attempt: Attempt) -> None:
        """Note that an attempt has ended; blobs that it has claimed are for others now."""
        self._attempts.pop(attempt.name, None)
        self._answer(self._claims.gone(attempt.name))

    def keep_workers(self, addresses: Collection[str]) -> None:
        """Note which workers there are: attempts on others have ended. Warns once when there are none any more."""
        for attempt in self.running:
            if attempt.address not in addresses:
                self.end(attempt)
        if self._has_workers and not addresses:
            self._emit(LogMessage("warning", "no workers are left: waiting for new ones"))
        self._has_workers = bool(addresses)

    def _answer(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            if (attempt := self._attempts.get(answer.holder)) is not None:
                place = answer.place
                where = {} if place is None else {"host": place.host, "repository": place.repository}
                self._tell(attempt.address, attempt.name, {"kind": "blob", "digest": answer.digest, **where})
