"""The blobs that other workers put at the same registry, as a task asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..streams.locations import RegistryBlob

if TYPE_CHECKING:
    from anyio import Event

    from ..model.digest import Digest
    from .mailbox import Mailbox
    from .topics import Message


# Seconds after which a task that has no answer asks again: a message may be lost.
_ASK_AGAIN = 30.0


class WorkerClaims:
    """Asks for each blob before it is moved; implements `syncing.shared_blobs.OtherRuns`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._waiting: dict[str, Event] = {}
        self._answers: dict[str, RegistryBlob | None] = {}

    def answer(self, message: Message) -> None:
        """Take the answer to a claim: where the blob is, or that it is for this task to move."""
        digest, host, repository = (message.get(name) for name in ("digest", "host", "repository"))
        if isinstance(digest, str) and (event := self._waiting.get(digest)) is not None:
            known = isinstance(host, str) and isinstance(repository, str)
            self._answers[digest] = RegistryBlob(str(host), str(repository)) if known else None
            event.set()

    @asynccontextmanager
    async def claim(self, digest: Digest, place: RegistryBlob) -> AsyncIterator[tuple[RegistryBlob, ...]]:
        """Yield where the blob is, after others have moved it; (), if it is to be moved to ``place`` now."""
        from anyio import Event, move_on_after

        name = str(digest)
        event = self._waiting[name] = Event()
        try:
            while not event.is_set():
                self._mailbox.put({"kind": "claim", "digest": name}, urgent=True)
                with move_on_after(_ASK_AGAIN):
                    await event.wait()
        finally:
            del self._waiting[name]
        if (found := self._answers.pop(name)) is not None:
            yield (found,)
            return
        try:
            yield ()
        except BaseException:
            self._mailbox.put({"kind": "released", "digest": name}, urgent=True)
            raise
        where = {"host": place.host, "repository": place.repository}
        self._mailbox.put({"kind": "placed", "digest": name, **where}, urgent=True)
