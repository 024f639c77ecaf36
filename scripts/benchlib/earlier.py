"""What contenders do before a run that is measured: pulls that are killed, and pulls that fill the content store."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .contenders import Command, Contender, Job
from .measure import RunError, clean_environ
from .target import InitialState

# The part of the image that a pull has when it is killed.
_KILLED_SHARE = 0.9
_LONGEST_PULL = 900.0  # seconds
_FIRST_TAG = "t000"


def prepare(initial: InitialState, contender: Contender, job: Job, scratch: Path) -> None:
    """Bring about the ``initial`` state of ``job`` that takes an earlier run, and write its lock; raises `RunError`."""
    if job.kind == "prefetch" and (command := contender(replace(job, kind="lock"))):
        _wait(_start(command, scratch), command)
    if initial is InitialState.KILLED:
        if command := contender(job):
            _kill(command, job, scratch)
    elif initial in (InitialState.STORED, InitialState.FIRST_STORED):
        tag = _FIRST_TAG if initial is InitialState.FIRST_STORED else job.tag
        first = replace(job, kind="oci", tag=tag, path=job.path.with_suffix(".first"))
        if command := contender(first):
            _wait(_start(command, scratch), command)
            shutil.rmtree(first.path)


def _kill(command: Command, job: Job, scratch: Path) -> None:
    """Run a pull and kill it when it has written 90 % of the image; a small one may end before."""
    process = _start(command, scratch)
    deadline = time.monotonic() + _LONGEST_PULL
    while process.poll() is None and _written(job.path) < _KILLED_SHARE * job.image.size:
        if time.monotonic() > deadline:
            break
        time.sleep(0.002)
    with suppress(ProcessLookupError):  # it has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _written(folder: Path) -> int:
    """Return the bytes that are in the files of a directory; holes do not count."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(place, name))
            except FileNotFoundError:  # it has just been renamed
                continue
            total += min(status.st_size, status.st_blocks * 512)
    return total


def _start(command: Command, scratch: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environ(scratch) | command.environ,
        start_new_session=True,
    )


def _wait(process: subprocess.Popen[bytes], command: Command) -> None:
    if code := process.wait(_LONGEST_PULL):
        raise RunError(f"{' '.join(command.argv)[:300]}: exit code {code}, before the run that is measured")
