"""Running a command's coroutine: signals end it within a second, leaving nothing half-written."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

from ..errors import PyskopeoError, first_error
from .log import log


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM came; everything has been cleaned up. ``number`` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_async(work: Callable[[], Awaitable[int]], seconds: float = 0.0) -> int:
    """Run to the end, or until a signal; raises `Interrupted` after the clean-up.

    After ``seconds`` seconds (0: never) it is cancelled and cleaned up likewise; that is a `PyskopeoError`.
    """
    import anyio

    try:
        return anyio.run(_supervised, work, seconds)
    except KeyboardInterrupt:
        raise Interrupted(signal.SIGINT) from None


async def _supervised(work: Callable[[], Awaitable[int]], seconds: float) -> int:
    import anyio

    came: list[int] = []
    code = 1

    async def watch() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                came.append(number)
                tasks.cancel_scope.cancel()
                return

    try:
        with first_error():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                with anyio.move_on_after(seconds or None) as limit:
                    code = await work()
                tasks.cancel_scope.cancel()
    except Exception:
        # What fails while it is being given up is of no interest to whoever gave it up.
        if not came:
            raise
    if came:
        raise Interrupted(came[0])
    if limit.cancelled_caught:
        raise PyskopeoError(f"not finished after {seconds:g} s: given up, as --command-timeout says")
    return code


def leave(number: int) -> NoReturn:
    """Exit as a program ended by a signal: 130 or 143."""
    log("fatal", "interrupted" if number == signal.SIGINT else "terminated")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:  # nobody reads it any more
            continue
    # A thread may still wait for a name server or a connection that nobody needs any more.
    os._exit(128 + number)
