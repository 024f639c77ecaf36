"""Read layers in order, and meanwhile the next one where that is faster; it may turn out that it was not needed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..errors import PyskopeoError, TooLarge, first_error
from ..streams.concurrency import processors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

T = TypeVar("T")
Item_contra = TypeVar("Item_contra", contravariant=True)
_PERIOD = 0.05  # seconds
# The share of one processor's time that this process uses while decompression is what it waits for. With less it waits
# for the network, and what is read ahead would only take bandwidth from what is needed.
_BUSY_SHARE = 0.5


class OrderedReader(Protocol[Item_contra]):
    """How items are read by `read_in_order`, and what becomes of them."""

    async def read(self, item: Item_contra) -> None:
        """Read an item, perhaps while the one before it is still read."""

    def take(self, item: Item_contra) -> bool:
        """Take an item that has been read, in order; return whether no other one is needed."""

    def worth_reading_ahead(self, item: Item_contra, following: Item_contra) -> bool:
        """Return whether the item after one that is being read will probably be needed, and is worth the effort."""

    def discard(self, item: Item_contra) -> None:
        """Forget what has been read of an item that is not needed, or that is read again."""


class _Reading(Generic[T]):
    """An item that is being read, or has been: ``done`` is set then, and ``error`` is what it failed with.

    ``alone`` says that no other item was read in that time.
    """

    def __init__(self, item: T) -> None:
        from anyio import CancelScope, Event

        self.item, self.done, self._scope = item, Event(), CancelScope()
        self.error: PyskopeoError | None = None
        self.alone = True

    async def run(self, reader: OrderedReader[T]) -> None:
        try:
            with self._scope:
                await reader.read(self.item)
        except PyskopeoError as error:
            self.error = error  # which matters only if the item turns out to be needed
        finally:
            self.done.set()

    async def stop(self) -> None:
        self._scope.cancel()
        await self.done.wait()


async def read_in_order(items: Sequence[T], reader: OrderedReader[T]) -> None:
    """Read items in order, and take each, until no other one is needed; at most two at once.

    What is taken and raised is the same as if they were read one after the other: the errors of an item that is not
    needed are not raised, and one that failed with `TooLarge` is read again alone, since limits are for all together.
    """
    from anyio import create_task_group

    with first_error():
        async with create_task_group() as tasks:
            ahead: _Reading[T] | None = None
            for number, item in enumerate(items):
                reading, busy = ahead or _start(tasks, reader, item), ahead is not None
                ahead = await _watch(tasks, reader, reading, items[number + 1 : number + 2], busy=busy)
                if isinstance(reading.error, TooLarge) and not reading.alone:
                    await _drop(reader, ahead)
                    await _drop(reader, reading)
                    ahead, reading = None, _start(tasks, reader, item)
                    await reading.done.wait()
                if reading.error is not None:
                    raise reading.error
                if reader.take(item):
                    break
            await _drop(reader, ahead)


def _start(tasks: TaskGroup, reader: OrderedReader[T], item: T) -> _Reading[T]:
    reading = _Reading(item)
    tasks.start_soon(reading.run, reader)
    return reading


async def _watch(
    tasks: TaskGroup, reader: OrderedReader[T], reading: _Reading[T], following: Sequence[T], *, busy: bool
) -> _Reading[T] | None:
    """Wait until an item is read; return the one after it, if that was begun meanwhile.

    ``busy`` is whether decompression is known to be what takes the time.
    """
    from anyio import move_on_after

    ahead: _Reading[T] | None = None
    while not reading.done.is_set() and following and processors() > 1:
        if not reader.worth_reading_ahead(reading.item, following[0]):
            if ahead is not None and not ahead.done.is_set():
                await _drop(reader, ahead)
                ahead = None
        elif ahead is None and busy:
            ahead = _start(tasks, reader, following[0])
            ahead.alone = reading.alone = False
        used, since = time.process_time(), time.monotonic()
        with move_on_after(_PERIOD):
            await reading.done.wait()
        busy = time.process_time() - used >= _BUSY_SHARE * (time.monotonic() - since)
    await reading.done.wait()
    return ahead


async def _drop(reader: OrderedReader[T], reading: _Reading[T] | None) -> None:
    if reading is not None:
        await reading.stop()
        reader.discard(reading.item)
