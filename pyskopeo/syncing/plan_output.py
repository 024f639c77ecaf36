"""Write the file of a plan: in worker threads, and under its name when it is complete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from ..storage.archive_output import open_output, sink_for
from ..streams.cancellation import run_in_thread

WritePiece: TypeAlias = Callable[[bytes], Awaitable[None]]
_PIECE = 1024 * 1024  # bytes that are written at once


@asynccontextmanager
async def plan_output(path: Path, put: Callable[[bytes], object] | None = None) -> AsyncIterator[WritePiece]:
    """Yield a function that writes bytes to a file, or by ``put``, which may block.

    A file has its name, in the place of what had it, when the context is left without an error. Raises `StorageFailed`.
    """
    waiting = bytearray()
    with ExitStack() as stack:
        write = await run_in_thread(partial(_open, path, stack)) if put is None else put

        async def flush() -> None:
            content = bytes(waiting)
            waiting.clear()
            await run_in_thread(partial(write, content))

        async def add(content: bytes) -> None:
            waiting.extend(content)
            if len(waiting) >= _PIECE:
                await flush()

        yield add
        await flush()


def _open(path: Path, stack: ExitStack) -> Callable[[bytes], object]:
    """Open the output, which ``stack`` closes, and return a function that writes to it."""
    sink = sink_for(*stack.enter_context(open_output(path, replace=True)))
    return lambda content: sink.write(memoryview(content))
