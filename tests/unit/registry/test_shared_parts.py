"""Parts that several threads write to one file: what is noted of them for a later run."""

from __future__ import annotations

from pyskopeo.access import Ranges
from pyskopeo.registry.shared_parts import SharedParts
from pyskopeo.streams.byte_streams import PartSink

KIB = 1024
MIB = 1024 * KIB


class Noting(PartSink):
    """Notes what is noted."""

    kept, parts = 0, ()

    def __init__(self) -> None:
        self.noted: list[tuple[int, int]] = []

    def write(self, buffer: memoryview) -> None:
        raise NotImplementedError

    restart = read_at = skip_to = write  # type: ignore[assignment]

    def write_at(self, buffer: memoryview, offset: int) -> None:
        pass

    def part_written(self, start: int, end: int) -> None:
        self.noted.append((start, end))


def test_a_kill_loses_less_than_256_kib_of_a_part() -> None:
    """There may be many parts under way."""
    sink = Noting()
    parts = SharedParts(64 * MIB, Ranges(), sink, 0)
    part = parts.take(16 * MIB, 0.0)
    assert part is not None
    parts.begin(part)
    buffer = memoryview(bytes(128 * KIB))
    for number in range(1, 40):
        assert parts.claim(part, len(buffer)) == len(buffer)
        parts.write(part, buffer)
        written = number * len(buffer)
        noted = sum(end - start for start, end in sink.noted)
        assert written - 256 * KIB < noted <= written
    assert len(sink.noted) <= 20
