"""What a download does after each failure, as tables: no request is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pyskopeo.registry.download_state import PROGRESS, DownloadState, Step

RETRY, NEXT, RESTART, RAISE = Step.RETRY, Step.NEXT, Step.RESTART, Step.RAISE


@dataclass(frozen=True)
class Event:
    """Something that happens to a download, and its name in the tables."""

    name: str
    happen: Callable[[DownloadState], Step | None]

    def __repr__(self) -> str:
        return self.name


def received(count: int) -> Event:
    return Event(f"{count} bytes", lambda state: state.received(count))


def moved(endpoint: int) -> Event:
    return Event(f"moved to {endpoint}", lambda state: state.move_to(endpoint))


answered = Event("answered", lambda state: state.response_started())
unreachable = Event("unreachable", lambda state: state.request_failed(temporary=True))
refused = Event("refused", lambda state: state.request_failed(temporary=False))
other_bytes = Event("other bytes", lambda state: state.response_rejected())
cut = Event("cut", lambda state: state.body_failed(temporary=True))
given_up = Event("given up", lambda state: state.body_failed(temporary=False))
skipped = Event("skipped to 90000", lambda state: state.skip_to(90_000))
over = Event("started over", lambda state: state.start_over())
wrong = Event("wrong", lambda state: state.content_mismatched())

Case = tuple[tuple[int, ...], list[tuple[Event, Step | None]], int, int]
# retries of each endpoint; events and the decision after each; endpoint and offset in the end
CASES: dict[str, Case] = {
    "one endpoint, unreachable": ((2,), [(unreachable, RETRY), (unreachable, RETRY), (unreachable, RAISE)], 0, 0),
    "one endpoint, refused": ((2,), [(refused, RAISE)], 0, 0),
    "no retries": ((0,), [(unreachable, RAISE)], 0, 0),
    "the next one begins with all its retries": (
        (1, 2),
        [(unreachable, RETRY), (unreachable, NEXT), (unreachable, RETRY), (unreachable, RETRY), (unreachable, RAISE)],
        1, 0,
    ),
    "refusals go through all": ((1, 1, 4), [(refused, NEXT), (refused, NEXT), (refused, RAISE)], 2, 0),
    "an answer makes the next failed request the first": (
        (1,), [(unreachable, RETRY), (answered, None), (cut, RETRY), (unreachable, RETRY), (unreachable, RAISE)], 0, 0,
    ),
    "bodies and requests do not multiply": (
        (2,),
        [(answered, None), (received(10), None), (cut, RETRY), (unreachable, RETRY), (unreachable, RETRY),
         (unreachable, RAISE)],
        0, 10,
    ),
    "cut without progress": (
        (2,), [(answered, None), (cut, RETRY), (answered, None), (cut, RETRY), (answered, None), (cut, RAISE)], 0, 0,
    ),
    "a little progress is none": (
        (1,),
        [(answered, None), (received(PROGRESS - 1), None), (cut, RETRY), (answered, None), (received(PROGRESS - 1), None),
         (cut, RAISE)],
        0, 2 * PROGRESS - 2,
    ),
    "progress makes the next cut the first": (
        (1,),
        [(answered, None), (received(PROGRESS), None), (cut, RETRY), (answered, None), (received(PROGRESS), None),
         (cut, RETRY), (answered, None), (cut, RAISE)],
        0, 2 * PROGRESS,
    ),
    "the next one goes on at the byte reached": (
        (0, 1), [(answered, None), (received(70_000), None), (cut, NEXT), (answered, None), (cut, RETRY)], 1, 70_000,
    ),
    "a body that will not do better": ((4, 4), [(answered, None), (received(5), None), (given_up, NEXT)], 1, 5),
    "an answer about other bytes": (
        (4, 4), [(answered, None), (other_bytes, NEXT), (answered, None), (other_bytes, RAISE)], 1, 0,
    ),
    "wrong bytes from one": (
        (4, 4), [(answered, None), (received(9), None), (wrong, RESTART), (answered, None), (received(9), None), (wrong, RAISE)],
        1, 9,
    ),
    "wrong bytes from the only one": ((4,), [(answered, None), (received(9), None), (wrong, RAISE)], 0, 9),
    "wrong bytes from two: the last sends all": (
        (0, 4),
        [(answered, None), (received(5), None), (cut, NEXT), (answered, None), (received(4), None), (wrong, RESTART)],
        1, 0,
    ),
    "wrong bytes from two, then from the last alone": (
        (0, 0, 4),
        [(answered, None), (received(5), None), (cut, NEXT), (answered, None), (received(4), None), (wrong, RESTART),
         (answered, None), (received(9), None), (wrong, RESTART), (answered, None), (received(9), None), (wrong, RAISE)],
        2, 9,
    ),
    "wrong before anything came": ((4, 4), [(wrong, RAISE)], 0, 0),
    "another download moved on": (
        (1, 1, 1), [(answered, None), (received(9), None), (cut, RETRY), (moved(2), None), (cut, RETRY), (cut, RAISE)], 2, 9,
    ),
    "and never back": ((1, 1), [(refused, NEXT), (moved(0), None), (refused, RAISE)], 1, 0),
    "wrong bytes of one that was left meanwhile": (
        (1, 1, 1), [(answered, None), (received(9), None), (moved(2), None), (wrong, RESTART), (answered, None), (wrong, RAISE)],
        2, 0,
    ),
    "bytes that others have sent are no progress": (
        (1,), [(answered, None), (received(9), None), (cut, RETRY), (skipped, None), (answered, None), (cut, RAISE)], 0, 90_000,
    ),
    "after them the blame is for those who sent bytes": (
        (1, 1), [(answered, None), (received(9), None), (skipped, None), (wrong, RESTART)], 1, 0,
    ),
    "started over, the same endpoint sends all, with all its retries": (
        (1, 1),
        [(answered, None), (received(9), None), (cut, RETRY), (over, None), (answered, None), (received(9), None), (cut, RETRY),
         (answered, None), (wrong, RESTART)],
        1, 0,
    ),
    "retries begin anew with the first byte": (
        (1, 1), [(answered, None), (received(9), None), (wrong, RESTART), (answered, None), (cut, RETRY), (cut, RAISE)], 1, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("retries", "events", "endpoint", "offset"), CASES.values(), ids=CASES)
def test_decisions(
    retries: tuple[int, ...], events: list[tuple[Event, Step | None]], endpoint: int, offset: int
) -> None:
    state = DownloadState(retries)
    assert [(event, event.happen(state)) for event, _ in events] == events
    assert (state.endpoint, state.offset) == (endpoint, offset)


def test_a_download_can_begin_anywhere() -> None:
    """At an offset and at an endpoint: no bytes before it are progress of its own."""
    state = DownloadState((1, 1), endpoint=1, offset=PROGRESS * 10)
    state.response_started()
    state.received(5)
    assert state.body_failed(temporary=True) is Step.RETRY
    assert state.body_failed(temporary=True) is Step.RAISE
    assert (state.endpoint, state.offset, state.served) == (1, PROGRESS * 10 + 5, {1})


def test_pauses_are_counted_for_their_length() -> None:
    state = DownloadState((4,))
    for number in (1, 2, 3):
        state.request_failed(temporary=True)
        assert state.failed_requests == number
    state.response_started()
    for number in (1, 2, 3):
        state.body_failed(temporary=True)
        assert (state.failed_requests, state.broken_bodies) == (0, number)
