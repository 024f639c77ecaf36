"""An end to regular expressions that have none."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..errors import InvalidInput

PATIENCE = 10.0


@contextmanager
def bounded(what: str, seconds: float = 0.0) -> Iterator[None]:
    """Give up after ``seconds``, or `PATIENCE`: raises `InvalidInput` about ``what``.

    Only signals reach into an expression that is being looked for, so elsewhere than in the main
    thread it has all the time it takes.
    """
    seconds = seconds or PATIENCE
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise InvalidInput(f"{what}: not done after {seconds:g} s; want a simpler regular expression")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
