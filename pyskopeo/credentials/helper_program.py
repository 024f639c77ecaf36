"""Execution of credential helpers, which are not trusted.

Secrets are passed on standard input and output only. A helper is found by an absolute path or in
``PATH``, never in the working directory or by a shell. Its run time and its output are limited.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import CredentialsFailed
from ..fast_dataclass import dataclass
from ..streams.cancellation import check_cancelled, run_in_thread

if TYPE_CHECKING:
    import subprocess

_STDOUT_LIMIT = 64 * 1024
_STDERR_LIMIT = 4096
_MAX_REASON = 200
_POLL_INTERVAL = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Output:
    """The exit status and output of a helper; ``stdout`` may contain secrets."""

    program: str
    status: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)

    def failure(self) -> CredentialsFailed:
        """Return the error for a helper that failed, with the first line of its standard error."""
        lines = self.stderr.decode("utf-8", "replace").splitlines()
        line = next((line for line in lines if line.strip()), "")
        reason = "".join(character for character in line.strip() if character.isprintable())[:_MAX_REASON]
        return CredentialsFailed(f"{self.program} failed with status {self.status}" + (f": {reason}" if reason else ""))


@dataclass(frozen=True, slots=True)
class Programs:
    """Finds and runs helpers, with ``environ`` as their environment and for at most ``seconds`` each."""

    environ: Mapping[str, str] = field(repr=False)
    seconds: float = 30.0

    def find(self, name: str) -> str | None:
        """Return the absolute path of ``name``, which is a path or the name of a program in ``PATH``; or None."""
        if os.sep in name:
            candidates = [Path(name)] if Path(name).is_absolute() else []
        else:
            folders = [Path(folder) for folder in self.environ.get("PATH", os.defpath).split(os.pathsep)]
            candidates = [folder / name for folder in folders if folder.is_absolute()]
        return next((str(path) for path in candidates if os.access(path, os.X_OK) and path.is_file()), None)

    async def ask(self, program: str, action: str, request: bytes) -> Output:
        """Run ``program ACTION`` with ``request`` on standard input and return its output.

        Cancellation kills the program. Raises `CredentialsFailed` if it cannot be started, takes too long
        or writes too much, but not for an exit status other than 0.
        """
        return await run_in_thread(partial(self._run, program, action, request))

    def _run(self, program: str, action: str, request: bytes) -> Output:
        """Run ``program``; raises `Cancelled`.

        The helper runs in a new session, so that processes it started are killed with it. A process that it
        leaves running does not delay the result, even if it keeps the pipes open.
        """
        import subprocess

        deadline = time.monotonic() + self.seconds
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(  # noqa: S603 - an absolute path and a constant
                [program, action],
                bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(self.environ), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise CredentialsFailed(f"{program} cannot be started: {error.strerror or error}") from None
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdin as stdin, process.stdout as stdout, process.stderr as stderr:
            try:
                with suppress(BrokenPipeError):  # a helper need not read the request
                    # Requests fit into the buffer of a pipe, so that this cannot block.
                    stdin.write(request)
                stdin.close()
                return Output(program, *_listen(process, stdout, stderr, deadline))
            except TimeoutError:
                raise CredentialsFailed(f"{program} gave no answer within {self.seconds:g} s and was stopped") from None
            except OverflowError:
                raise CredentialsFailed(f"{program} said more than {_STDOUT_LIMIT} bytes and was stopped") from None
            finally:
                _end(process)


def _listen(
    process: subprocess.Popen[bytes], stdout: IO[bytes], stderr: IO[bytes], deadline: float
) -> tuple[int, bytes, bytes]:
    """Return exit status, output and errors of ``process`` when it has ended.

    Raises `TimeoutError`, and `OverflowError` for too much output.
    """
    import selectors
    from subprocess import TimeoutExpired

    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ, output)
        selector.register(stderr, selectors.EVENT_READ, errors)
        while True:
            status = process.poll()
            ready = selector.select(_POLL_INTERVAL if status is None else 0)
            for key, _ in ready:
                part = os.read(key.fd, _STDOUT_LIMIT)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
            if status is not None and not ready:
                return status, bytes(output), bytes(errors)
            if len(output) > _STDOUT_LIMIT:
                raise OverflowError
            del errors[_STDERR_LIMIT:]
            check_cancelled()
            if time.monotonic() > deadline:
                raise TimeoutError
            if not selector.get_map():
                with suppress(TimeoutExpired):
                    process.wait(_POLL_INTERVAL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the helper and the processes it started, unless it has ended."""
    import signal
    from subprocess import TimeoutExpired

    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutExpired):  # a process in uninterruptible sleep
            process.wait(1)
