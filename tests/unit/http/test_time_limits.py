"""By when a small document has to be complete."""

from __future__ import annotations

import pytest

from pyskopeo.http import time_limits
from pyskopeo.http.time_limits import DocumentDeadline, TooSlow


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
