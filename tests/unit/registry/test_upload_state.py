"""What an upload does after each failure, as tables: no request is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyskopeo.errors import (
    ConnectionFailed,
    ContentMismatch,
    PyskopeoError,
    RegistryError,
    Stalled,
    UnsafeAddress,
)
from pyskopeo.registry.session import TokenExpired
from pyskopeo.registry.upload_state import MAX_EXPIRED_TOKENS, PROGRESS, Step, UploadState

MIB = 1024 * 1024
SIZE = 100 * MIB
NEW = UploadState(SIZE, retries=2)
MIDDLING = UploadState(2 * MIB, retries=2)


def refusal(status: int) -> RegistryError:
    return RegistryError("x", status=status)


@pytest.mark.parametrize(
    ("error", "opened", "before", "step", "broken"),
    [
        (ConnectionFailed("x"), True, NEW, Step.PAUSE, False),
        (ConnectionFailed("x"), False, NEW, Step.PAUSE, False),
        (Stalled("x"), True, NEW, Step.PAUSE, False),
        (ConnectionFailed("x", temporary=False), True, NEW, Step.RAISE, False),
        (UnsafeAddress("x"), True, NEW, Step.RAISE, False),
        (refusal(503), True, NEW, Step.PAUSE, False),
        (refusal(429), False, NEW, Step.PAUSE, False),
        (refusal(403), True, NEW, Step.RAISE, False),
        # The registry has lost the session, if there was one.
        (refusal(404), True, NEW, Step.PAUSE, True),
        (refusal(404), False, NEW, Step.RAISE, False),
        (refusal(416), True, NEW, Step.PAUSE, False),
        (refusal(416), False, NEW, Step.RAISE, False),
        # It takes no PUT with a streamed body.
        (refusal(405), True, MIDDLING, Step.CONTINUE, True),
        (refusal(307), True, MIDDLING, Step.CONTINUE, True),
        (refusal(405), True, replace(MIDDLING, separate=True), Step.RAISE, False),
        (refusal(405), True, replace(MIDDLING, size=MIB), Step.RAISE, False),
        (refusal(405), True, NEW, Step.RAISE, False),
        # What went on at an offset that the registry gave may be wrong there.
        (refusal(400), True, NEW, Step.RAISE, False),
        (refusal(400), True, replace(NEW, resumed=True), Step.PAUSE, True),
        (refusal(409), True, replace(NEW, resumed=True), Step.PAUSE, True),
        (refusal(422), True, replace(NEW, disputed=True), Step.PAUSE, True),
        (refusal(400), True, replace(NEW, disputed=True), Step.PAUSE, True),
        (refusal(403), True, replace(NEW, disputed=True), Step.RAISE, False),
        # So may what follows the bytes of a POST.
        (refusal(400), True, replace(NEW, posted=True, failures=2), Step.CONTINUE, True),
        (refusal(403), True, replace(NEW, posted=True), Step.RAISE, False),
        (ConnectionFailed("x", temporary=False), True, replace(NEW, broken=True), Step.PAUSE, True),
        (ConnectionFailed("x"), True, replace(NEW, failures=2), Step.RAISE, False),
        (TokenExpired("x"), True, replace(NEW, failures=2), Step.REPEAT, False),
        (TokenExpired("x"), True, replace(NEW, expired_tokens=MAX_EXPIRED_TOKENS), Step.PAUSE, False),
    ],
)  # fmt: skip
def test_decisions(error: PyskopeoError, opened: bool, before: UploadState, step: Step, broken: bool) -> None:
    state = replace(before)
    assert state.failed(error, opened=opened) is step
    assert state.broken is broken
    assert state.failures == before.failures + (step is Step.PAUSE)
    assert state.resumable is not broken


@pytest.mark.parametrize(
    ("size", "min_chunk_size", "pieces"),
    [
        (SIZE, 0, [32 * MIB, 16 * MIB, 8 * MIB, 4 * MIB, 2 * MIB, MIB]),
        (10 * MIB, 0, [5 * MIB, 2 * MIB + MIB // 2, MIB + MIB // 4, MIB]),
        (SIZE, 20 * MIB, [32 * MIB, 20 * MIB]),
        (MIB, 0, [MIB]),
        (None, 0, []),
    ],
)
def test_smaller_pieces(size: int | None, min_chunk_size: int, pieces: list[int]) -> None:
    state = UploadState(size, retries=0, min_chunk_size=min_chunk_size)
    for chunk_size in pieces:
        assert state.failed(refusal(413), opened=True) is Step.CONTINUE
        assert (state.chunk_size, state.resumable) == (chunk_size, False)
        state.reset()
    assert state.failed(refusal(413), opened=True) is Step.RAISE


def test_progress_makes_the_next_failure_the_first() -> None:
    state = UploadState(SIZE, retries=1)
    assert state.failed(ConnectionFailed("x"), opened=True) is Step.PAUSE
    state.resume_at(PROGRESS)
    assert (state.offset, state.resumed, state.failures) == (PROGRESS, True, 0)
    assert state.failed(ConnectionFailed("x"), opened=True) is Step.PAUSE
    state.resume_at(2 * PROGRESS - 1)
    assert state.failed(ConnectionFailed("x"), opened=True) is Step.RAISE


def test_beginning_anew_is_no_progress() -> None:
    state = UploadState(SIZE, retries=3, chunk_size=MIB)
    state.failed(ConnectionFailed("x"), opened=True)
    state.resume_at(PROGRESS)
    state.failed(ConnectionFailed("x"), opened=True)
    state.reset()
    assert state == UploadState(SIZE, retries=3, chunk_size=MIB, failures=1, _progress_from=PROGRESS)


@pytest.mark.parametrize("doubt", ["resumed", "disputed"])
def test_a_doubtful_range_is_trusted_once(doubt: str) -> None:
    """What is then sent from its first byte on, and refused again, is refused for its content."""
    state = replace(UploadState(SIZE, retries=4), **{doubt: True})
    assert state.failed(refusal(400), opened=True) is Step.PAUSE
    state.reset()
    assert (state.resumed, state.disputed, state.broken) == (False, False, False)
    assert not state.resumable
    state.disputed = True
    assert state.failed(refusal(400), opened=True) is Step.RAISE


def test_what_is_made_on_the_way_cannot_continue() -> None:
    state = UploadState(None, retries=1)
    assert state.failed(ConnectionFailed("x"), opened=True) is Step.PAUSE
    assert not state.resumable


CONTINUED = replace(NEW, continued=True, resumed=True, offset=MIB, sent=2 * MIB)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 416, 422])
def test_an_upload_of_an_earlier_run_that_is_refused_is_replaced_once(status: int) -> None:
    """That is no retry: a run that knew nothing of it would have begun with another one."""
    state = replace(CONTINUED, retries=0)
    assert state.failed(refusal(status), opened=True) is Step.CONTINUE
    assert (state.failures, state.resumable) == (0, False)
    state.reset()
    assert state.failed(refusal(403), opened=True) is Step.RAISE


def test_an_upload_of_an_earlier_run_is_retried_as_any_other() -> None:
    state = replace(CONTINUED, retries=1)
    assert state.failed(ConnectionFailed("x"), opened=True) is Step.PAUSE
    assert state.failed(refusal(503), opened=True) is Step.RAISE
    assert state.resumable


@pytest.mark.parametrize("status", [411, 501])
def test_a_length_is_given_where_it_is_required(status: int) -> None:
    state = replace(NEW, endable=True, retries=0)
    assert state.failed(refusal(status), opened=True) is Step.CONTINUE
    assert (state.endable, state.resumable) == (False, False)
    state.reset()
    assert state.failed(refusal(status), opened=True) is Step.RAISE or status == 501


@pytest.mark.parametrize(
    ("error", "state", "kept"),
    [
        (KeyboardInterrupt(), CONTINUED, True),
        (Stalled("x"), CONTINUED, True),
        (refusal(503), CONTINUED, True),
        (refusal(403), CONTINUED, False),
        (UnsafeAddress("x"), CONTINUED, False),
        (ContentMismatch("x", expected="a", actual="b"), CONTINUED, False),
        (Stalled("x"), replace(CONTINUED, sent=MIB - 1), False),
        (Stalled("x"), replace(CONTINUED, size=None), False),
        (Stalled("x"), replace(CONTINUED, misleading=True), False),
        (Stalled("x"), replace(CONTINUED, broken=True), False),
    ],
)
def test_what_a_later_run_may_continue(error: BaseException, state: UploadState, kept: bool) -> None:
    assert state.worth_keeping(error, state.sent) is kept
