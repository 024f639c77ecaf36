"""How many parts are fetched at the same time, by what was measured and what failed. No clock."""

from __future__ import annotations

from collections import Counter

from pyskopeo.registry.part_count import PartCount

RATE = 50_000_000


class Measured:
    """A count that is measured ten times a second; each connection brings `RATE` up to a limit for all of them."""

    def __init__(self, count: PartCount, most: float = 1e12) -> None:
        self.count, self.most = count, most
        self.now, self.received = 0.0, 0
        self.fetched: Counter[int] = Counter()

    def go_on(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            amount = int(min((1 + self.count.target) * RATE, self.most) * 0.1)
            self.received += amount
            self.fetched[self.count.target] += amount
            self.count.measure(self.now, self.received, self.count.target)


def test_one_part_shows_whether_ranges_are_honoured() -> None:
    count = PartCount(16, RATE)
    for tenths in range(50):
        count.measure(tenths / 10, tenths * RATE // 10, 0)
    assert (count.target, count.begun) == (1, False)
    count.measure(5.1, 6 * RATE, 1)
    assert (count.target, count.begun) == (3, True)


def test_a_host_that_is_known_begins_with_more() -> None:
    assert PartCount(16, RATE, proven=True).target == 3
    assert PartCount(2, RATE, proven=True).target == 2
    assert PartCount(0, RATE, proven=True).target == PartCount(0, RATE).target == 0


def test_it_grows_while_the_throughput_does() -> None:
    measured = Measured(PartCount(16, RATE))
    measured.go_on(3)
    assert measured.count.target == 16
    measured.go_on(60)
    assert measured.count.target == 16


def test_it_grows_no_further_than_helps() -> None:
    """The line is full with seven connections: there are no sixteen."""
    measured = Measured(PartCount(16, RATE), most=7 * RATE)
    measured.go_on(2)
    seen = set()
    for _ in range(100):
        measured.go_on(0.1)
        seen.add(measured.count.target)
    assert seen == {6, 12}  # now and then more are tried
    assert measured.fetched[6] > measured.fetched[12]


def test_a_line_that_becomes_faster() -> None:
    measured = Measured(PartCount(16, RATE), most=7 * RATE)
    measured.go_on(5)
    measured.most = 100 * RATE
    measured.go_on(5)
    assert measured.count.target == 16


def test_where_more_connections_do_not_help_there_are_none() -> None:
    measured = Measured(PartCount(16, RATE), most=RATE)
    measured.go_on(3)
    assert measured.count.target == 0


def test_connections_that_are_being_made_are_not_measured() -> None:
    """They take a few round trips, in which the throughput is that of before."""
    count = PartCount(16, RATE, proven=True)
    for tenths in range(100):
        count.measure(tenths / 10, tenths * RATE // 10, 2)
    assert count.target == 3


def test_a_failure_halves_the_number() -> None:
    measured = Measured(PartCount(16, RATE))
    measured.go_on(3)
    assert measured.count.failed(16) == 8
    assert measured.count.target == 8
    assert measured.count.failed(8) == 4


def test_each_part_that_is_finished_allows_one_more() -> None:
    measured = Measured(PartCount(16, RATE))
    measured.go_on(3)
    measured.count.failed(16)
    for _ in range(4):
        measured.count.finished()
    measured.go_on(3)
    assert measured.count.target == 12
    for _ in range(40):
        measured.count.finished()
    measured.go_on(3)
    assert measured.count.target == 16


def test_failures_without_a_finished_part_end_it() -> None:
    count = PartCount(16, RATE)
    assert [count.failed(1) for _ in range(6)] == [1, 1, 1, 1, 1, 0]
    count.finished()
    count.measure(1.0, RATE, 1)
    assert count.target == 0
