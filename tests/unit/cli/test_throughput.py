"""Speed and time left."""

from __future__ import annotations

import pytest

from pyskopeo.cli.throughput import Throughput


@pytest.mark.parametrize(
    ("steps", "speed", "left"),
    [
        ([], None, None),
        ([(0.5, 100)], None, None),  # too early to say
        ([(1.0, 100)], 100.0, 10.0),
        ([(1.0, 100), (1.0, 300)], 150.0, 1000 / 150),
        ([(1.0, 100), (1.0, 50)], 50.0, 20.0),  # a blob that begins anew
        # Only the last ten seconds count, and a stop in them does.
        ([(1.0, 10_000)] + [(1.0, 10_000 + 10 * n) for n in range(1, 12)], 10.0, 100.0),
        ([(1.0, 100), (9.0, 100)], 10.0, 100.0),
        ([(1.0, 100), (20.0, 100)], 0.0, None),
        ([(1.0, 100), (60.0, 100), (1.0, 200)], 100 / 11, 110.0),
    ],
)
def test_speed(
    steps: list[tuple[float, int]], speed: float | None, left: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("pyskopeo.cli.throughput.time.monotonic", lambda: now)
    throughput = Throughput()
    for seconds, moved in steps:
        now += seconds
        _ = throughput.speed  # it is shown all the time
        throughput.count(moved)
    assert throughput.speed == (None if speed is None else pytest.approx(speed, rel=0.1))
    assert throughput.seconds_left(1000) == (None if left is None else pytest.approx(left, rel=0.1))
