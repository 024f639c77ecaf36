"""Which parts of a blob are fetched by whom: every byte by one, whatever happens in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.streams.part_schedule import Part, PartSchedule

KIB = 1024
MIB = 1024 * KIB


def take(schedule: PartSchedule, lead: int, now: float = 100.0, rate: float = 0.0) -> Part | None:
    """The next part, at a time when those that have begun are slow, for a stream of unknown throughput."""
    return schedule.take(lead, now, rate)


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
    assert [bounds(take(schedule, 15)) for _ in range(3)] == [(20, 30), (30, 40), (40, 50)]
    assert schedule.stream_end() == 20


def test_the_last_part_is_shorter() -> None:
    schedule = PartSchedule(25, 10)
    assert [bounds(take(schedule, 10)) for _ in range(2)] == [(10, 20), (20, 25)]


def test_a_claim_of_the_stream_is_not_taken() -> None:
    """What it reads at this moment it writes, so nobody else may."""
    schedule = PartSchedule(100, 10)
    schedule.claim_stream(47)
    assert bounds(take(schedule, 10)) == (47, 50)


def test_bytes_of_a_part_are_read_back_as_they_come() -> None:
    schedule = PartSchedule(40, 10)
    part = take(schedule, 10)
    assert part
    part.since = 0.0
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
    part, after = take(schedule, 10), take(schedule, 10)
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
    part = take(schedule, 10)
    assert part
    assert schedule.stream_end() == 10
    schedule.close(part)
    assert schedule.stream_end() == 40


def test_after_a_failure_the_stream_has_to_prove_the_server() -> None:
    schedule = PartSchedule(100 * MIB, 10 * MIB)
    schedule.suspend()
    assert schedule.suspended
    assert take(schedule, 0) is None
    schedule.claim_stream(MIB - 1)
    schedule.advance(MIB - 1, fetched=True)
    assert take(schedule, 0) is None
    schedule.claim_stream(1)
    schedule.advance(1, fetched=True)
    assert not schedule.suspended
    assert bounds(take(schedule, 0)) == (10 * MIB, 20 * MIB)


def test_bytes_that_are_read_back_prove_nothing() -> None:
    schedule = PartSchedule(100 * MIB, 10 * MIB, 0, [(0, 50 * MIB)])
    schedule.suspend()
    schedule.advance(50 * MIB, fetched=False)
    assert schedule.suspended


def test_what_an_earlier_run_has_left_is_not_fetched() -> None:
    schedule = PartSchedule(100, 10, 7, [(20, 35), (60, 70)])
    assert schedule.received == 32
    assert schedule.stream_end() == 20
    assert [bounds(take(schedule, 10)) for _ in range(4)] == [(35, 40), (40, 50), (50, 60), (70, 80)]


def test_the_rest_of_the_longest_part_is_divided() -> None:
    """When nothing else is left, so that one slow connection does not hold up the blob."""
    schedule = PartSchedule(40, 10)
    first, second, third = (take(schedule, 10) for _ in range(3))
    assert first
    assert second
    assert third
    for part in (first, second, third):
        part.since = 0.0
    schedule.claim_stream(10)
    schedule.advance(10, fetched=True)
    schedule.claim(second, 8)
    schedule.claim(first, 2)
    schedule.written(first, 2)
    schedule.claim(third, 1)
    assert bounds(take(schedule, 0)) == (25 + 10, 40)  # of the third, from the middle of what is not claimed
    assert third.end == 35
    assert bounds(take(schedule, 0)) == (16, 20)
    assert take(schedule, 0) is None  # what is left of each is less than half a part


def test_the_rest_of_the_stream_is_divided() -> None:
    schedule = PartSchedule(30, 20)
    schedule.claim_stream(12)
    assert bounds(take(schedule, 20)) == (20, 30)
    assert bounds(take(schedule, 20)) is None
    schedule = PartSchedule(30, 10)
    schedule.claim_stream(6)
    assert bounds(take(schedule, 25)) == (18, 30)


def test_a_part_that_is_not_begun_is_not_divided() -> None:
    """A server that does not answer gets no more requests for that."""
    schedule = PartSchedule(30, 10)
    assert take(schedule, 10)
    assert take(schedule, 10)
    schedule.claim_stream(10)
    assert take(schedule, 10) is None


def slow_part(since: float, *, done: int) -> PartSchedule:
    """A blob of two parts, both under way; half of the first is there."""
    schedule = PartSchedule(40 * MIB, 20 * MIB)
    schedule.claim_stream(1)
    first, second = take(schedule, 0), take(schedule, 0)
    assert first
    assert second
    first.since = second.since = since
    for part in (first, second):
        schedule.claim(part, done)
        schedule.written(part, done)
    return schedule


@pytest.mark.parametrize(
    ("passed", "done", "divided"),
    [
        (0.0, 0, False),  # it has just begun
        (0.9, 100, False),
        (1.1, 10 * MIB, True),  # a second to go
        (1.1, 10 * MIB - 1, True),
        (1.5, 10 * MIB, True),
        (0.2, 5 * MIB, False),  # fast: what is on its way of the second half would be fetched twice
        (1.1, 11 * MIB, False),  # less than half of a part is left
        (9.0, 0, True),  # it stalls
    ],
)
def test_a_part_is_divided_if_the_rest_takes_long(passed: float, done: int, divided: bool) -> None:
    schedule = slow_part(50.0, done=done)
    assert (schedule.take(0, 50.0 + passed, 1.0) is not None) is divided


def test_the_slowest_part_is_divided() -> None:
    """Not the one with most bytes left."""
    schedule = PartSchedule(40, 20)
    first, second = take(schedule, 0), take(schedule, 20)
    assert first
    assert second
    first.since, second.since = 0.0, 90.0
    for part, done in ((first, 6), (second, 4)):
        schedule.claim(part, done)
        schedule.written(part, done)
    assert bounds(take(schedule, 0)) == (13, 20)


@pytest.mark.parametrize(("rate", "divided"), [(0, True), (8 * MIB, True), (50 * MIB, False)])
def test_the_rest_of_a_fast_stream_is_not_divided(rate: float, divided: bool) -> None:
    schedule = PartSchedule(20 * MIB, 16 * MIB)
    schedule.claim_stream(4 * MIB)
    assert (schedule.take(32 * MIB, 100.0, rate) is not None) is divided


def test_no_part_begins_in_what_the_stream_has_requested() -> None:
    """It would be sent twice."""
    schedule = PartSchedule(100, 10, 7, [(60, 70)])
    schedule.reserve(25)
    assert bounds(take(schedule, 4)) == (25, 30)
    schedule.reserve(0)
    assert bounds(take(schedule, 4)) == (20, 25)


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
        part.since = 0.0
        count = schedule.claim(part, data.draw(st.integers(1, 20)))
        if data.draw(st.booleans()):  # the stream, or another worker, gets its turn between a claim and the bytes
            stream()
            if (more := take(schedule, 0)) is not None:
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
        elif action == "t" and (taken := take(schedule, data.draw(st.integers(0, 50)))) is not None:
            parts.append(taken)
        elif action == "w" and parts:
            work()
    for part in parts:
        schedule.close(part)
    while schedule.offset < size:
        stream()
    assert writers == [1] * size
    assert schedule.received == size
