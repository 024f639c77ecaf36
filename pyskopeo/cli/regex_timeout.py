"""A time limit for regular expressions, which can take exponential time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..errors import InvalidInput

DEFAULT_LIMIT = 10.0  # seconds


@contextmanager
def bounded(what: str, seconds: float = 0.0) -> Iterator[None]:
    """Raise `InvalidInput` about ``what`` after ``seconds``, or `DEFAULT_LIMIT` for 0.

    Only a signal can interrupt the matching of an expression. There is no limit in other threads than
    the main one, which do not receive signals, nor where the system has no interval timer.
    """
    seconds = seconds or DEFAULT_LIMIT
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(_number: int, _frame: FrameType | None) -> None:
        raise InvalidInput(f"{what}: not done after {seconds:g} s; want a simpler regular expression")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
