"""Clocks that jump."""

from __future__ import annotations

import time

from tests.support.clocks import Jump, JumpingClocks


def test_a_clock_jumps_once_and_goes_on() -> None:
    before = time.monotonic()
    with JumpingClocks(monotonic=Jump(2, 1000.0)):
        readings = [time.monotonic() for _ in range(5)]
    assert [int((reading - before) // 1000) for reading in readings] == [0, 0, 1, 1, 1]
    assert time.monotonic() - before < 900


def test_the_wall_clock_goes_back_in_seconds_and_in_nanoseconds() -> None:
    now, monotonic = time.time(), time.monotonic()
    with JumpingClocks(wall=Jump(1, -3600.0)):
        first, second, nanoseconds = time.time(), time.time(), time.time_ns()
        assert time.monotonic() - monotonic < 1800
    assert first >= now
    assert -3700 < second - now < -1800
    assert isinstance(nanoseconds, int)
    assert -3700 < nanoseconds / 1e9 - now < -1800
