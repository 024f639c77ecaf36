"""Threads that are inside the transport of the package, and a bounded wait."""

from __future__ import annotations

import sys
import threading

import anyio


async def ends(condition: object) -> bool:
    assert callable(condition)
    for _ in range(100):
        if condition():
            return True
        await anyio.sleep(0.01)
    return False


def blocked_threads() -> list[str]:
    """Threads that are inside our own transport."""
    found = []
    for thread in threading.enumerate():
        frame = sys._current_frames().get(thread.ident or 0)
        while frame is not None:
            code = frame.f_code
            if code.co_filename.endswith("pyskopeo/http/connection_pool.py") and code.co_name in ("send", "readinto"):
                found.append(thread.name)
                break
            frame = frame.f_back
    return found


def our_threads() -> list[threading.Thread]:
    """Threads of the package that work; the one that waits for the end of the process stays until then."""
    return [
        thread for thread in threading.enumerate() if thread.name.startswith("pyskopeo") and thread.name != "pyskopeo exit"
    ]
