"""Where in an archive the layers will lie that are still on their way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile
from typing import TYPE_CHECKING

from ...errors import PyskopeoError, first_error
from ...fast_dataclass import dataclass
from ...model import mediatype
from ...model.digest import Digest
from ...streams.decompress import estimate_uncompressed_size
from ..tar import header, padded

if TYPE_CHECKING:
    from anyio import Event

    from ...interfaces import Blob
    from ...model.descriptor import Descriptor
    from .layer_slots import Stretch

# Bytes: with less to come, a file of its own costs less than to ask.
_LARGE = 16 * 1024 * 1024
# Seconds to wait for answers about earlier layers: where they take longer, writing twice is not what takes time.
_PATIENCE = 0.25
_NAME = "0" * 64 + ".tar"  # every layer's is as long
_TAIL = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a layer lie in the archive, and where the next thing begins."""

    start: int
    end: int


def member(position: int, size: int) -> Place:
    """The place of a layer of ``size`` bytes whose header is at ``position``."""
    start = position + len(header(_NAME, mode=0, size=size))
    return Place(start, start + padded(size))


class Foresight:
    """Guesses how large layers will be, to know where those after them begin.

    Nothing depends on a guess being right: a `Stretch` takes no more of the archive than was guessed, and
    whoever appends a layer looks whether it lies where it belongs. Lives in the event loop.
    """

    def __init__(self, stretches: Mapping[Digest, Stretch]) -> None:
        """``stretches`` are those of the layers that are not in their place yet."""
        self._stretches = stretches
        self._position = 0
        self._order: list[Digest] = []
        self._asking: set[Digest] = set()
        self._sizes: dict[Digest, int] = {}
        self._answered: dict[Digest, Event] = {}

    def expect(self, layers: Sequence[Descriptor], position: int) -> None:
        """The layers that are to come, in order, the first of them at ``position``."""
        self._order, self._position = [layer.digest for layer in layers], position
        # Worth it for what comes before a large one.
        last = max((number for number, layer in enumerate(layers) if layer.size >= _LARGE), default=0)
        self._asking = set(self._order[:last])
        self._sizes.clear()

    def appended(self, digest: Digest, position: int) -> None:
        """The first of them is in the archive, which goes on at ``position``."""
        if digest in self._order:
            self._order.remove(digest)
            self._position = position

    @asynccontextmanager
    async def coming(self, blob: Blob) -> AsyncIterator[None]:
        """While a layer comes, its size is what is guessed; afterwards what it was."""
        from anyio import Event, create_task_group

        digest = blob.descriptor.digest
        if digest not in self._order:
            yield
            return
        answered = Event()
        try:
            with first_error():
                async with create_task_group() as tasks:
                    if digest in self._asking:
                        self._answered[digest] = answered
                        tasks.start_soon(self._guess, blob, answered)
                    yield
                    tasks.cancel_scope.cancel()
            self._sizes[digest] = self._stretches[digest].size
        except BaseException:
            self._sizes.pop(digest, None)
            raise
        finally:
            answered.set()
            self._answered.pop(digest, None)

    async def start(self, digest: Digest) -> int | None:
        """Where the bytes of a layer that comes now will be, if others' are not in the way; None for no idea."""
        from anyio import move_on_after

        if digest not in self._order:
            return None
        with move_on_after(_PATIENCE):
            for one in self._before(digest):
                if one not in self._sizes and one in self._answered:
                    await self._answered[one].wait()
        position = self._position
        for one in self._before(digest):
            if one not in self._sizes:
                return None
            position = member(position, self._sizes[one]).end
        size = self._sizes.get(digest)
        place = member(position, size or 0)
        for other in self._stretches.values():
            before = other.end is not None and other.end <= place.start
            after = size is not None and place.end <= other.start
            if other.within and not (before or after):
                return None
        return place.start

    def size(self, digest: Digest) -> int | None:
        """How large a layer is, or is thought to be."""
        return self._sizes.get(digest)

    def _before(self, digest: Digest) -> list[Digest]:
        return list(takewhile(lambda one: one != digest, self._order))

    async def _guess(self, blob: Blob, answered: Event) -> None:
        size = await self._asked(blob)
        stretch = self._stretches.get(blob.descriptor.digest)
        if size is not None and (stretch is None or stretch.expect(size)):
            self._sizes[blob.descriptor.digest] = size
        answered.set()

    async def _asked(self, blob: Blob) -> int | None:
        descriptor = blob.descriptor
        if mediatype.compression(descriptor.media_type) == "":
            return descriptor.size
        if blob.ending is None or descriptor.size <= _TAIL:
            return None
        try:
            ending = await blob.ending(_TAIL)
        except PyskopeoError:
            return None  # what is wrong is told when the blob itself is read
        if not ending:
            self._asking.clear()  # the next answer would be no better
        return estimate_uncompressed_size(ending, descriptor.size)
