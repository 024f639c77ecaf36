"""Which parts of a blob are fetched by whom: every byte by one, whatever happens in whatever order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.streams.part_schedule import Part, PartSchedule

KIB = 1024
MIB = 1024 * KIB


def bounds(part: Part | None) -> tuple[int, int] | None:
    return (part.start, part.end) if part else None


def test_a_stream_alone_reads_everything() -> None:
    schedule = PartSchedule(100, 10)
    assert (schedule.stream_end(), schedule.readable_end(), schedule.awaited()) == (100, 0, None)
    assert schedule.claim_stream(64) == 64
    schedule.advance(64, fetched=True)
    assert schedule.claim_stream(64) == 36
    assert (schedule.offset, schedule.received, schedule.streamed) == (64, 64, 64)


def test_parts_lie_ahead_of_the_stream() -> None:
    """The first one leaves the lead to the stream, and the others follow it, at multiples of their size."""
    schedule = PartSchedule(100, 10)
    schedule.claim_stream(4)
    schedule.advance(4, fetched=True)
    assert [bounds(schedule.take(15)) for _ in range(3)] == [(20, 30), (30, 40), (40, 50)]
    assert schedule.stream_end() == 20


def test_the_last_part_is_shorter() -> None:
    schedule = PartSchedule(25, 10)
    assert [bounds(schedule.take(10)) for _ in range(2)] == [(10, 20), (20, 25)]


def test_a_claim_of_the_stream_is_not_taken() -> None:
    """What it reads at this moment it writes, so nobody else may."""
    schedule = PartSchedule(100, 10)
    schedule.claim_stream(47)
    assert bounds(schedule.take(10)) == (47, 50)


def test_bytes_of_a_part_are_read_back_as_they_come() -> None:
    schedule = PartSchedule(40, 10)
    part = schedule.take(10)
    assert part
    part.begun = True
    schedule.claim_stream(99)
    schedule.advance(10, fetched=True)
    assert (schedule.readable_end(), schedule.awaited()) == (10, part)
    assert schedule.claim(part, 4) == 4
    schedule.written(part, 4)
    assert schedule.readable_end() == 14
    schedule.advance(4, fetched=False)
    assert (schedule.streamed, schedule.received, schedule.awaited()) == (10, 14, part)


def test_what_a_part_leaves_missing_is_read_by_the_stream() -> None:
    schedule = PartSchedule(40, 10)
    part, after = schedule.take(10), schedule.take(10)
    assert part
    assert after
    schedule.claim(part, 4)
    schedule.written(part, 4)
    schedule.close(part)
    schedule.advance(10, fetched=True)
    assert schedule.readable_end() == 14
    schedule.advance(4, fetched=False)
    assert schedule.awaited() is None
    assert schedule.claim_stream(99) == 6
    assert schedule.stream_end() == after.start


def test_a_part_that_was_never_begun_is_the_streams_again() -> None:
    """So a stream goes on beyond it on the same connection."""
    schedule = PartSchedule(40, 10)
    part = schedule.take(10)
    assert part
    assert schedule.stream_end() == 10
    schedule.close(part)
    assert schedule.stream_end() == 40


def test_after_a_failure_the_stream_has_to_prove_the_server() -> None:
    schedule = PartSchedule(100 * MIB, 10 * MIB)
    schedule.suspend()
    assert schedule.suspended
    assert schedule.take(0) is None
    schedule.claim_stream(MIB - 1)
    schedule.advance(MIB - 1, fetched=True)
    assert schedule.take(0) is None
    schedule.claim_stream(1)
    schedule.advance(1, fetched=True)
    assert not schedule.suspended
    assert bounds(schedule.take(0)) == (10 * MIB, 20 * MIB)


def test_bytes_that_are_read_back_prove_nothing() -> None:
    schedule = PartSchedule(100 * MIB, 10 * MIB, 0, [(0, 50 * MIB)])
    schedule.suspend()
    schedule.advance(50 * MIB, fetched=False)
    assert schedule.suspended


def test_what_an_earlier_run_has_left_is_not_fetched() -> None:
    schedule = PartSchedule(100, 10, 7, [(20, 35), (60, 70)])
    assert schedule.received == 32
    assert schedule.stream_end() == 20
    assert [bounds(schedule.take(10)) for _ in range(4)] == [(35, 40), (40, 50), (50, 60), (70, 80)]


def test_the_rest_of_the_longest_part_is_divided() -> None:
    """When nothing else is left, so that one slow connection does not hold up the blob."""
    schedule = PartSchedule(40, 10)
    first, second, third = (schedule.take(10) for _ in range(3))
    assert first
    assert second
    assert third
    for part in (first, second, third):
        part.begun = True
    schedule.claim_stream(10)
    schedule.advance(10, fetched=True)
    schedule.claim(second, 8)
    schedule.claim(first, 2)
    schedule.written(first, 2)
    schedule.claim(third, 1)
    assert bounds(schedule.take(0)) == (25 + 10, 40)  # of the third, from the middle of what is not claimed
    assert third.end == 35
    assert bounds(schedule.take(0)) == (16, 20)
    assert schedule.take(0) is None  # what is left of each is less than half a part


def test_the_rest_of_the_stream_is_divided() -> None:
    schedule = PartSchedule(30, 20)
    schedule.claim_stream(12)
    assert bounds(schedule.take(20)) == (20, 30)
    assert bounds(schedule.take(20)) is None
    schedule = PartSchedule(30, 10)
    schedule.claim_stream(6)
    assert bounds(schedule.take(25)) == (18, 30)


def test_a_part_that_is_not_begun_is_not_divided() -> None:
    """A server that does not answer gets no more requests for that."""
    schedule = PartSchedule(30, 10)
    assert schedule.take(10)
    assert schedule.take(10)
    schedule.claim_stream(10)
    assert schedule.take(10) is None


@settings(max_examples=100)
@given(st.data())
def test_every_byte_is_written_by_one(data: st.DataObject) -> None:
    """A stream and workers in any order, with failures: no byte is claimed by two, and all come in the end."""
    size = data.draw(st.integers(1, 200))
    held = data.draw(st.lists(st.tuples(st.integers(0, 180), st.integers(1, 20)), max_size=3))
    kept = [(start, min(start + count, size)) for start, count in held if start < size]
    schedule = PartSchedule(size, data.draw(st.integers(1, 40)), 0, kept)
    writers = [0] * size
    for start, end in kept:
        writers[start:end] = [1] * (end - start)
    parts: list[Part] = []
    reading = 0

    def stream() -> None:
        nonlocal reading
        if reading:
            for offset in range(schedule.offset, schedule.offset + reading):
                writers[offset] += 1
            schedule.advance(reading, fetched=True)
            reading = 0
        elif (end := schedule.readable_end()) > schedule.offset:
            assert all(writers[schedule.offset : end])
            schedule.advance(end - schedule.offset, fetched=False)
        elif schedule.awaited() is None:
            reading = schedule.claim_stream(data.draw(st.integers(1, 30)))

    def work() -> None:
        part = data.draw(st.sampled_from(parts))
        part.begun = True
        count = schedule.claim(part, data.draw(st.integers(1, 20)))
        if data.draw(st.booleans()):  # the stream, or another worker, gets its turn between a claim and the bytes
            stream()
            if (more := schedule.take(0)) is not None:
                parts.append(more)
        for offset in range(part.done, part.done + count):
            writers[offset] += 1
        schedule.written(part, count)
        if not count or data.draw(st.integers(0, 5)) == 0:
            schedule.close(part)
            parts.remove(part)

    for _ in range(data.draw(st.integers(0, 60))):
        action = data.draw(st.sampled_from("stw"))
        if action == "s":
            stream()
        elif action == "t" and (taken := schedule.take(data.draw(st.integers(0, 50)))) is not None:
            parts.append(taken)
        elif action == "w" and parts:
            work()
    for part in parts:
        schedule.close(part)
    while schedule.offset < size:
        stream()
    assert writers == [1] * size
    assert schedule.received == size
