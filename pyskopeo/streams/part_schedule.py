"""Which parts of a blob are there, which are being fetched, and which to fetch next. No I/O, and no lock.

One stream reads the blob in order, from ``offset`` on; it also hashes it. Workers fetch parts ahead of it. A byte
belongs to one of them only: what the stream has claimed, no worker takes, and what a worker has begun to write, the
stream reads back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .byte_ranges import ByteRanges

# After a worker has failed, no part is taken until the stream has received this many bytes of its own: the stream has
# the retries, and shows that the server can be reached.
_PROOF = 1024 * 1024
# The smallest rest of a part that is divided for another worker, in parts of the ordinary size, and in seconds that it
# would take; it has to be under way for as long. What the server has sent already of the second half is lost.
_DIVISIBLE, _WORTH = 0.5, 1.0


class Part:
    """The bytes of a blob from ``start`` up to ``end`` that one worker fetches, in order.

    ``done`` is the offset up to which they are in the sink, ``claimed`` that up to which the worker may write without
    asking again, ``noted`` that up to which they are noted for a later run. ``since`` is the time in seconds at which
    the server has agreed to send them, None if it has not yet. ``end`` moves down if another worker takes the rest.
    """

    __slots__ = ("claimed", "done", "end", "noted", "since", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = self.done = self.claimed = self.noted = start
        self.end = end
        self.since: float | None = None

    @property
    def begun(self) -> bool:
        """Whether the server has agreed to send it."""
        return self.since is not None

    def __repr__(self) -> str:
        return f"part {self.start}-{self.end}"


class PartSchedule:
    """The parts of one blob of ``size`` bytes.

    Everything before ``offset`` has been read by the stream; ``streamed`` is the number of bytes that the stream
    fetched itself.
    """

    def __init__(self, size: int, part_size: int, offset: int = 0, held: Iterable[tuple[int, int]] = ()) -> None:
        """``held`` are the ranges that are in the sink already."""
        self.size, self._part_size = size, part_size
        self._held = ByteRanges(held)
        self._held.add(0, offset)
        self._parts: list[Part] = []
        self._claimed = self.offset = offset
        self._reserved = self.streamed = 0
        self._resumes_at = 0

    @property
    def received(self) -> int:
        """The number of bytes that are in the sink."""
        return self._held.total + sum(part.done - part.start for part in self._parts)

    @property
    def active(self) -> int:
        """The number of parts that are being fetched."""
        return len(self._parts)

    @property
    def begun(self) -> int:
        """The number of parts that the server has agreed to send."""
        return sum(part.begun for part in self._parts)

    @property
    def suspended(self) -> bool:
        """Whether no part is to be taken: see `suspend`."""
        return self.streamed < self._resumes_at

    def suspend(self) -> None:
        """Have no part taken until the stream has received 1 MiB more itself."""
        self._resumes_at = self.streamed + _PROOF

    def readable_end(self) -> int:
        """Return the end of the bytes after ``offset`` that are in the sink, ``offset`` if the next is not."""
        end = self._held.end_at(self.offset)
        for part in self._parts:
            if part.start <= end < part.done:
                end = part.done
        return end

    def awaited(self) -> Part | None:
        """Return the part that fetches the next byte, None if there is no such part."""
        return next((part for part in self._parts if part.start <= self.offset < part.end), None)

    def stream_end(self) -> int:
        """Return where a stream from ``offset`` on has to end: at the next byte that is there, or being fetched."""
        starts = [part.start for part in self._parts if part.start > self.offset]
        return min([self._held.next_start(self.offset, self.size), *starts])

    def claim_stream(self, count: int) -> int:
        """Claim up to ``count`` bytes from ``offset`` on for the stream, and return how many it is to read."""
        self._claimed = min(self.offset + count, self.stream_end())
        return self._claimed - self.offset

    def reserve(self, end: int) -> None:
        """Have no part begin before ``end``, up to which the stream has requested the bytes; 0 if it has not."""
        self._reserved = end

    def advance(self, count: int, *, fetched: bool) -> None:
        """Record that the stream has read ``count`` more bytes, and whether it ``fetched`` them itself."""
        if fetched:
            self._held.add(self.offset, self.offset + count)
            self.streamed += count
        self.offset += count
        self._claimed = self.offset

    def take(self, lead: int, now: float, rate: float) -> Part | None:
        """Return the next part to fetch, None if there is none.

        The stream keeps the next ``lead`` bytes, and what it has claimed or requested. Where every byte has somebody
        who fetches it, the rest that takes longest is divided, if it takes long. ``now`` is the time in seconds,
        ``rate`` the throughput of the stream in bytes per second, 0 if it is not known.
        """
        if self.suspended:
            return None
        for start, end in self._missing():
            first = start
            if start == self.offset:
                first = max(self._round_up(start + lead), self._claimed, self._reserved)
            if first < end:
                return self._add(first, min(end, (first // self._part_size + 1) * self._part_size))
        return self._divide(now, rate)

    def claim(self, part: Part, count: int) -> int:
        """Claim up to ``count`` more bytes of a part for its worker, and return how many it is to write."""
        part.claimed = min(part.done + count, part.end)
        return part.claimed - part.done

    def written(self, part: Part, count: int) -> None:
        """Record that ``count`` more bytes of a part are in the sink."""
        part.done += count

    def close(self, part: Part) -> None:
        """Forget a part that no worker fetches any more; what it has written is kept, the rest is missing."""
        if part in self._parts:
            self._parts.remove(part)
            self._held.add(part.start, part.done)

    def _add(self, start: int, end: int) -> Part:
        part = Part(start, end)
        self._parts.append(part)
        return part

    def _missing(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges from ``offset`` on that are neither there nor being fetched, in order."""
        taken = ByteRanges(self._held)
        for part in self._parts:
            taken.add(part.start, part.end)
        start = taken.end_at(self.offset)
        while start < self.size:
            end = taken.next_start(start, self.size)
            yield start, end
            start = taken.end_at(end)

    def _divide(self, now: float, rate: float) -> Part | None:
        """Take the second half of what is left of the part that takes longest, or of what the stream still has."""
        slowest, most = None, 0.0
        for part in self._parts:
            if (seconds := self._seconds_left(part, now)) > most:
                slowest, most = part, seconds
        end = self.stream_end() if self.awaited() is None and self.readable_end() == self.offset else self._claimed
        own = end - self._claimed
        if own >= self._part_size * _DIVISIBLE and own >= rate * max(most, _WORTH):
            return self._add(self._claimed + own // 2, end)
        if slowest is None or most < _WORTH:
            return None
        end, slowest.end = slowest.end, slowest.claimed + (slowest.end - slowest.claimed) // 2
        return self._add(slowest.end, end)

    def _seconds_left(self, part: Part, now: float) -> float:
        """Return the time that the rest of a part takes at its throughput so far; 0 if it is not to be divided."""
        left = part.end - part.claimed
        if part.since is None or now < part.since + _WORTH or left < self._part_size * _DIVISIBLE:
            return 0.0
        return left * (now - part.since) / max(1, part.done - part.start)

    def _round_up(self, offset: int) -> int:
        return -(-offset // self._part_size) * self._part_size
