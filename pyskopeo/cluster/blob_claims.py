"""Who moves which blob to the destination, among all workers: each blob is moved by one of them."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TypeAlias

from ..fast_dataclass import dataclass
from ..streams.locations import RegistryBlob

_MOST_KNOWN = 500_000  # blobs whose place is remembered; one that is forgotten is at worst moved once more

Holder: TypeAlias = str
"""A task on a worker; a task that runs again is another one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a holder that has asked for a blob is told: to move it itself, if ``place`` is None, or where it is."""

    holder: Holder
    digest: str
    place: RegistryBlob | None


class BlobClaims:
    """Decides about the blobs of a run; every method returns the answers that are due now.

    Who asks for a blob that another one moves is answered when that one has moved it, has failed, or is gone.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[str, RegistryBlob] = OrderedDict()
        self._holders: dict[str, Holder] = {}
        self._waiting: dict[str, deque[Holder]] = {}

    def claim(self, holder: Holder, digest: str) -> list[Answer]:
        """Note that ``holder`` needs a blob at the destination; it may ask again, if it got no answer."""
        if (place := self._places.get(digest)) is not None:
            self._places.move_to_end(digest)
            return [Answer(holder, digest, place)]
        if self._holders.setdefault(digest, holder) == holder:
            return [Answer(holder, digest, None)]
        waiting = self._waiting.setdefault(digest, deque())
        if holder not in waiting:
            waiting.append(holder)
        return []

    def placed(self, holder: Holder, digest: str, place: RegistryBlob) -> list[Answer]:
        """Note where a blob is now; ``holder`` need not have claimed it."""
        self._places[digest] = place
        if len(self._places) > _MOST_KNOWN:
            self._places.popitem(last=False)
        self._holders.pop(digest, None)
        return [Answer(one, digest, place) for one in self._waiting.pop(digest, ())]

    def released(self, holder: Holder, digest: str) -> list[Answer]:
        """Note that ``holder`` has not moved a blob: the next one that waits for it does."""
        if self._holders.get(digest) != holder:
            return []
        del self._holders[digest]
        waiting = self._waiting.get(digest)
        if not waiting:
            return []
        following = waiting.popleft()
        if not waiting:
            del self._waiting[digest]
        self._holders[digest] = following
        return [Answer(following, digest, None)]

    def gone(self, holder: Holder) -> list[Answer]:
        """Note that ``holder`` has ended, or that its worker has died."""
        for digest, waiting in list(self._waiting.items()):
            if holder in waiting:
                kept = deque(one for one in waiting if one != holder)
                if kept:
                    self._waiting[digest] = kept
                else:
                    del self._waiting[digest]
        held = [digest for digest, one in self._holders.items() if one == holder]
        return [answer for digest in held for answer in self.released(holder, digest)]
