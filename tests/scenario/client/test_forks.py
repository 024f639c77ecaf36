"""A blocking client in a process that forks: its event loop runs in a thread that the other process does not have."""

from __future__ import annotations

import subprocess
import sys

from tests.support.commands import environment
from tests.support.measurement import unmeasured

# In a process of its own, since that of the tests has threads and locks of others. Without a refusal the child would
# wait for ever; SIGALRM ends it then.
PROGRAM = """
import os, signal, threading
from pyskopeo.client.loop_thread import LoopThread
from pyskopeo.errors import InvalidInput

ended = []

async def answer():
    return 42

async def end():
    ended.append(True)

loop = LoopThread(end)
assert loop.run(answer) == 42
child = os.fork()
if child == 0:
    signal.alarm(30)
    try:
        loop.run(answer)
    except InvalidInput as error:
        assert "forked" in str(error)
    else:
        os._exit(2)
    loop.close()
    own = LoopThread(end)
    assert own.run(answer) == 42
    threading._shutdown()  # as at the end of the process: waits for threads
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert loop.run(answer) == 42
loop.close()
assert ended == [True]
"""


def test_a_forked_process_refuses_the_loop_and_can_have_its_own() -> None:
    with unmeasured():
        # Python 3.12 and later warn of any fork beside threads.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
