"""By when a small document has to be complete, and how slow a blob may be."""

from __future__ import annotations

import pytest

from pyskopeo.http import time_limits
from pyskopeo.http.time_limits import BlobTime, DocumentDeadline, TooSlow


class Clock:
    """What `time.monotonic` says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time_limits, "time", found)
    return found


@pytest.mark.parametrize(
    ("received", "allowed"), [(0, 120.0), (1024, 121.0), (100 * 1024, 220.0), (4 << 20, 300.0), (1 << 40, 300.0)]
)
def test_what_is_large_may_take_longer(received: int, allowed: float, clock: Clock) -> None:
    deadline = DocumentDeadline(60.0, 300.0)
    assert deadline.left(received) == allowed
    clock.now += allowed - 1
    assert deadline.left(received) == deadline.wait(received) == 1.0
    clock.now += 2
    assert deadline.left(received) == 0
    with pytest.raises(TooSlow, match=f"only {received} bytes of it came$") as caught:
        deadline.wait(received)
    assert caught.value.flags == "--stall-timeout, --response-timeout"


def test_each_read_has_the_usual_timeout(clock: Clock) -> None:
    deadline = DocumentDeadline(60.0, 300.0)
    assert deadline.wait(0) == 60.0
    clock.now += 61
    assert deadline.wait(0) == 59.0


@pytest.mark.parametrize("rate", [1, 10, 500])
def test_a_steady_drip_has_an_end(rate: int, clock: Clock) -> None:
    deadline, received = DocumentDeadline(3.0, 300.0), 0
    while deadline.left(received):
        clock.now += 1
        received += rate
    assert clock.now <= 1000 + 6 / (1 - rate / 1024) + 2


def test_a_blob_may_be_slow_but_not_endless(clock: Clock) -> None:
    honest, hostile = BlobTime(60.0, 300.0), BlobTime(60.0, 300.0)
    for _ in range(10_000):
        honest.record(170, 10.0)  # a modem of the nineties, shared by many
    for _ in range(299):
        hostile.record(1, 1.0)
    with pytest.raises(TooSlow, match="^only 300 bytes came in 300 s, under 16 a second$") as caught:
        hostile.record(1, 1.0)
    assert caught.value.flags == "--stall-timeout"


def test_what_came_fast_before_is_no_credit_for_ever(clock: Clock) -> None:
    blob = BlobTime(60.0, 300.0)
    blob.record(1 << 30, 300.0)
    for _ in range(299):
        blob.record(1, 1.0)
    with pytest.raises(TooSlow):
        blob.record(1, 1.0)


def test_pauses_are_allowed_if_enough_comes_between_them(clock: Clock) -> None:
    blob = BlobTime(60.0, 300.0)
    for _ in range(1000):
        blob.record(1000, 59.0)


def test_time_that_the_destination_takes_does_not_count(clock: Clock) -> None:
    blob = BlobTime(60.0, 300.0)
    for _ in range(100):
        clock.now += 1000.0
        blob.record(10, 0.1)


def test_a_document_has_its_deadline_besides(clock: Clock) -> None:
    blob = BlobTime(60.0, 300.0)
    clock.now += 121.0
    blob.record(1000, 121.0)
    blob.record(100, 0.1, is_document=True)  # a second for each KiB
    clock.now += 2.0
    with pytest.raises(TooSlow, match="the answer comes too slowly, only 1101 bytes of it came"):
        blob.record(1, 2.0, is_document=True)
