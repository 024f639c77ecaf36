"""Send a part of a file to a socket inside the kernel, by sendfile(2)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import StorageFailed
from .protocol import LEAST_READ, READ_SECONDS

if TYPE_CHECKING:
    import asyncio
    from io import FileIO

# Bytes that a worker thread sends before the event loop has its turn.
_TURN = 8 * 1024 * 1024


async def send_file(transport: asyncio.WriteTransport, file: FileIO, offset: int, count: int) -> None:
    """Send ``count`` bytes of a file from ``offset`` on over a connection that has nothing else to send.

    Returns early when the connection is closed; closes one whose client reads less than `LEAST_READ` bytes in
    `READ_SECONDS`. Raises `StorageFailed` if the file has become shorter or cannot be read.
    """
    from anyio import to_thread

    if transport.is_closing():
        return
    # The transport may close its descriptor at any time, and the system gives the number to somebody else.
    out = os.dup(transport.get_extra_info("socket").fileno())
    try:
        end = offset + count
        while offset < end and not transport.is_closing():
            offset, blocked = await to_thread.run_sync(_send, out, file.fileno(), offset, end)
            if blocked and not await _is_writable(out):
                transport.abort()
    except (ConnectionError, TimeoutError):
        transport.abort()
    finally:
        os.close(out)


def _send(out: int, file: int, offset: int, end: int) -> tuple[int, bool]:
    """Send until ``end``, or as much as the connection takes now; returns the next offset and whether it is full."""
    stop = min(end, offset + _TURN)
    while offset < stop:
        try:
            sent = os.sendfile(out, file, offset, stop - offset)
        except BlockingIOError:
            return offset, True
        except ConnectionError:
            raise
        except OSError as error:
            raise StorageFailed.of(error, "sending a blob") from error
        if not sent:
            raise StorageFailed(f"a blob became shorter while it was sent: it ends after {offset} bytes")
        offset += sent
    return offset, False


async def _is_writable(out: int) -> bool:
    """Wait until a connection takes more bytes; returns False if its client reads too slowly."""
    from asyncio import get_running_loop

    from anyio import Event, move_on_after

    loop, writable = get_running_loop(), Event()
    loop.add_writer(out, writable.set)
    try:
        unread = _unread(out)
        while True:
            with move_on_after(READ_SECONDS):
                await writable.wait()
                return True
            before, unread = unread, _unread(out)
            if before - unread < LEAST_READ:
                return False
    finally:
        loop.remove_writer(out)


def _unread(out: int) -> int:
    """Return how many bytes of a connection its client has not acknowledged; 0 where the system does not say."""
    import fcntl
    import termios

    try:
        found = fcntl.ioctl(out, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(found, sys.byteorder)
