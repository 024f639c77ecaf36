"""No test of a stream may leave a thread behind."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pyskopeo.streams import compress
from tests.support.threads import our_threads


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    end = time.monotonic() + 5
    while our_threads() and time.monotonic() < end:
        time.sleep(0.005)
    assert our_threads() == []
    assert compress._pool._users == compress._pool._working == 0
