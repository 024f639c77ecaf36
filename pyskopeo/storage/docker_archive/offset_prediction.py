"""Predict the offsets in a ``docker save`` archive of layers whose predecessors have not arrived yet.

Layers are stored decompressed, so the offset of a layer depends on the decompressed sizes of those before it. These are
estimated from the last bytes of each compressed blob (RFC 1952, ISIZE).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ...errors import PyskopeoError, first_error
from ...fast_dataclass import dataclass
from ...model import mediatype
from ...model.digest import Digest
from ...streams.decompress import estimate_uncompressed_size
from ..tar_encoding import header
from ..tar_fields import padded_size

if TYPE_CHECKING:
    from anyio import Event

    from ...model.descriptor import Descriptor
    from ...streams.pump import Blob
    from .layer_slots import LayerSlot

# Bytes. Before smaller layers no size is estimated: a temporary file costs less than a request.
_LARGE = 16 * 1024 * 1024
# Seconds to wait for the estimates of earlier layers. If they take longer, the network is the bottleneck, not the disk
# that a temporary file is written to.
_ESTIMATE_TIMEOUT = 0.25
# Offsets are predicted for this many layers after the one that is appended next, so that the work for a layer does not
# grow with the number of layers. Docker's own images have at most 127.
_LOOKAHEAD = 128
_NAME = "0" * 64 + ".tar"  # the names of all layers have this length
_ISIZE_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Span:
    """The content of a member in an archive: the offset of its first byte, and that of the next member's header."""

    start: int
    end: int


def content_span(position: int, size: int) -> Span:
    """Return where the content of a layer of ``size`` bytes is whose header is at ``position``."""
    start = position + len(header(_NAME, mode=0, size=size))
    return Span(start, start + padded_size(size))


class OffsetPredictor:
    """Estimates the sizes of layers to predict the offsets of the layers after them.

    Correctness does not depend on the estimates: a `LayerSlot` takes no more of the archive than was estimated, and
    `LayerWriter` compares the offset of a slot with the real one. Every method is called in the event loop's thread.
    """

    def __init__(self, slots: Mapping[Digest, LayerSlot], placed: Mapping[Digest, LayerSlot]) -> None:
        """``slots`` are those of the layers that are not appended yet, ``placed`` those of them begun in the archive.

        The caller keeps both mappings up to date.
        """
        self._slots, self._placed = slots, placed
        self._position = 0
        self._order: list[Digest] = []
        self._numbers: dict[Digest, int] = {}
        self._next = 0  # the number of the layer that is appended next
        self._to_estimate: set[Digest] = set()
        self._sizes: dict[Digest, int] = {}
        # Set when the size of a layer that is being fetched is estimated, or will not be.
        self._estimated: dict[Digest, Event] = {}

    def announce(self, layers: Sequence[Descriptor], position: int) -> None:
        """Set the layers that will be appended, in order; ``position`` is the offset of the first one's header."""
        self._order, self._position = [layer.digest for layer in layers], position
        self._numbers, self._next = {digest: number for number, digest in enumerate(self._order)}, 0
        # Only layers before a large one need an estimate.
        last = max((number for number, layer in enumerate(layers) if layer.size >= _LARGE), default=0)
        self._to_estimate = set(self._order[:last])
        self._sizes.clear()

    def appended(self, digest: Digest, position: int) -> None:
        """Record that the first of the layers has been appended; ``position`` is the offset after it."""
        if digest in self._numbers:
            self._next = self._numbers[digest] + 1
            self._position = position

    @asynccontextmanager
    async def fetching(self, blob: Blob) -> AsyncIterator[None]:
        """Estimate the size of a layer while it is fetched inside this context; afterwards its real size is used."""
        from anyio import Event, create_task_group

        digest = blob.descriptor.digest
        if digest not in self._numbers:
            yield
            return
        estimated = Event()
        try:
            with first_error():
                async with create_task_group() as tasks:
                    if digest in self._to_estimate:
                        self._estimated[digest] = estimated
                        tasks.start_soon(self._estimate, blob, estimated)
                    yield
                    tasks.cancel_scope.cancel()
            self._sizes[digest] = self._slots[digest].size
        except BaseException:
            self._sizes.pop(digest, None)
            raise
        finally:
            estimated.set()
            self._estimated.pop(digest, None)

    async def predict_start(self, digest: Digest) -> int | None:
        """Return the offset of a layer's first byte, or None if it cannot be predicted or overlaps another slot."""
        from anyio import move_on_after

        number = self._numbers.get(digest)
        if number is None or number > self._next + _LOOKAHEAD:
            return None
        with move_on_after(_ESTIMATE_TIMEOUT):
            for earlier in self._order[self._next : number]:
                if earlier not in self._sizes and earlier in self._estimated:
                    await self._estimated[earlier].wait()
        before = self._order[self._next : number]
        if not all(earlier in self._sizes for earlier in before):
            return None
        position = self._position
        for earlier in before:
            position = content_span(position, self._sizes[earlier]).end
        size = self._sizes.get(digest)
        span = content_span(position, size or 0)
        for slot in self._placed.values():
            ends_before = slot.end is not None and slot.end <= span.start
            begins_after = size is not None and span.end <= slot.start
            if slot.in_archive and not (ends_before or begins_after):
                return None
        return span.start

    def size(self, digest: Digest) -> int | None:
        """Return the estimated size of a layer in bytes, or its real one if it has been fetched; None if unknown."""
        return self._sizes.get(digest)

    def set_size(self, digest: Digest, size: int | None) -> None:
        """Set the size of a layer that is there, or forget it."""
        if size is None:
            self._sizes.pop(digest, None)
        else:
            self._sizes[digest] = size

    async def _estimate(self, blob: Blob, estimated: Event) -> None:
        size = await self._estimated_size(blob)
        slot = self._slots.get(blob.descriptor.digest)
        if size is not None and (slot is None or slot.set_limit(size)):
            self._sizes[blob.descriptor.digest] = size
        estimated.set()

    async def _estimated_size(self, blob: Blob) -> int | None:
        descriptor = blob.descriptor
        if mediatype.compression(descriptor.media_type) == "":
            return descriptor.size
        if blob.ending is None or descriptor.size <= _ISIZE_LENGTH:
            return None
        try:
            ending = await blob.ending(_ISIZE_LENGTH)
        except PyskopeoError:
            return None  # reading the blob itself will raise, if there is an error
        if not ending:
            self._to_estimate.clear()  # the source cannot read ranges: do not ask again
        return estimate_uncompressed_size(ending, descriptor.size)
