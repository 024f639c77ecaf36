"""A blocking client in a process that forks."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pyskopeo.client.loop_thread import LoopThread
from pyskopeo.errors import InvalidInput


async def answer() -> int:
    return 42


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of Python 3.12 and later, about any such fork
def test_a_forked_process_refuses_the_loop_and_can_have_its_own() -> None:
    """Without that it would wait for a thread that it does not have; SIGALRM ends it then."""
    ended: list[bool] = []

    async def end() -> None:
        ended.append(True)

    loop = LoopThread(end)
    assert loop.run(answer) == 42
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            with pytest.raises(InvalidInput, match="forked"):
                loop.run(answer)
            loop.close()
            own = LoopThread(end)
            assert own.run(answer) == 42
            threading._shutdown()  # type: ignore[attr-defined]  # as at the end of the process: waits for threads
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert loop.run(answer) == 42
    loop.close()
    assert ended == [True]
