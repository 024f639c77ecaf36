"""Copies in processes of their own, forked from one that has loaded everything: killed at a certain call, or two at once."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess

import anyio

from pyskopeo.errors import PyskopeoError
from tests.support.system_calls import Killing, Moment, Nothing, SystemCalls

from .jobs import Job

DONE, FAILED = 0, 3
# Everything that a copy imports on first use, so that a child has nothing left to load.
_LOADED = ("tests.faults.loaded",)


def processes() -> ForkServerContext:
    """The context in which children are started."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED))
    return context


def run_job(job: Job, kill: tuple[int, Moment] | None, backend: str) -> None:
    """Run a job in this process, which then ends; ``kill`` are the arguments of `Killing`."""
    code = DONE
    with SystemCalls(Killing(*kill) if kill else Nothing()):
        try:
            anyio.run(job.run, backend=backend)
        except PyskopeoError:
            code = FAILED
    os._exit(code)


@contextmanager
def started(job: Job, kill: tuple[int, Moment] | None = None, backend: str = "asyncio") -> Iterator[ForkServerProcess]:
    """A process that runs a job, gone at the end of the block in any case."""
    process = processes().Process(target=run_job, args=(job, kill, backend))
    process.start()
    try:
        yield process
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()
