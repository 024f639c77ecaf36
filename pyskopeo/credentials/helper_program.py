"""Running a credential helper: other people's programs, so nothing about them is taken on trust.

Secrets go through standard input and output alone. A helper is found by an absolute path or in
``PATH``, never through the working directory or a shell, and has a limit of time and of words.
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

_ANSWER_LIMIT = 64 * 1024
_COMPLAINT_LIMIT = 4096
_SHOWN = 200
_STEP = 0.05  # seconds between two looks at a program that says nothing


@dataclass(frozen=True, slots=True)
class Output:
    """What a helper left behind; ``answer`` may hold secrets, ``complaint`` is its standard error."""

    program: str
    status: int
    answer: bytes = field(repr=False)
    complaint: bytes = field(repr=False)

    def failure(self) -> CredentialsFailed:
        """The error for a helper that failed; what it wrote to standard output is never shown."""
        lines = self.complaint.decode("utf-8", "replace").splitlines()
        line = next((line for line in lines if line.strip()), "")
        shown = "".join(character for character in line.strip() if character.isprintable())[:_SHOWN]
        return CredentialsFailed(f"{self.program} failed with status {self.status}" + (f": {shown}" if shown else ""))


@dataclass(frozen=True, slots=True)
class Programs:
    """How helpers are found and run: ``seconds`` is what each may take."""

    environ: Mapping[str, str] = field(repr=False)
    seconds: float = 30.0

    def find(self, name: str) -> str | None:
        """The absolute path of program ``name``, itself a path or one of those in ``PATH``."""
        if os.sep in name:
            candidates = [Path(name)] if Path(name).is_absolute() else []
        else:
            folders = [Path(folder) for folder in self.environ.get("PATH", os.defpath).split(os.pathsep)]
            candidates = [folder / name for folder in folders if folder.is_absolute()]
        return next((str(path) for path in candidates if os.access(path, os.X_OK) and path.is_file()), None)

    async def ask(self, program: str, action: str, question: bytes) -> Output:
        """Run ``program ACTION`` with ``question`` on standard input; raises `CredentialsFailed`.

        Cancelling ends the program. A status other than 0 is no error here.
        """
        return await run_in_thread(partial(self._run, program, action, question))

    def _run(self, program: str, action: str, question: bytes) -> Output:
        """Ask ``program``; raises `Cancelled` while it runs.

        The helper gets a session of its own, so that all it started is ended with it; a process which
        it leaves behind on purpose does not keep us waiting, even if it holds the pipes.
        """
        import subprocess

        deadline = time.monotonic() + self.seconds
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(  # noqa: S603 - an absolute path and a fixed word
                [program, action],
                bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(self.environ), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise CredentialsFailed(f"{program} cannot be started: {error.strerror or error}") from None
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdin as asked, process.stdout as answer, process.stderr as complaint:
            try:
                with suppress(BrokenPipeError):  # it may know its answer without reading the question
                    # A pipe takes more than any question is long, so a program that never reads cannot stop us.
                    asked.write(question)
                asked.close()
                status, said, complained = _listen(process, answer, complaint, deadline)
                return Output(program, status, said, complained)
            except TimeoutError:
                raise CredentialsFailed(f"{program} gave no answer within {self.seconds:g} s and was stopped") from None
            except OverflowError:
                raise CredentialsFailed(f"{program} said more than {_ANSWER_LIMIT} bytes and was stopped") from None
            finally:
                _end(process)


def _listen(
    process: subprocess.Popen[bytes], stdout: IO[bytes], stderr: IO[bytes], deadline: float
) -> tuple[int, bytes, bytes]:
    """Collect what ``process`` says until it ends; raises `TimeoutError`, and `OverflowError` for too much."""
    import selectors
    from subprocess import TimeoutExpired

    answer, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ, answer)
        selector.register(stderr, selectors.EVENT_READ, complaint)
        while True:
            status = process.poll()
            ready = selector.select(_STEP if status is None else 0)
            for key, _ in ready:
                part = os.read(key.fd, _ANSWER_LIMIT)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
            if status is not None and not ready:
                return status, bytes(answer), bytes(complaint)
            if len(answer) > _ANSWER_LIMIT:
                raise OverflowError
            del complaint[_COMPLAINT_LIMIT:]
            check_cancelled()
            if time.monotonic() > deadline:
                raise TimeoutError
            if not selector.get_map():
                with suppress(TimeoutExpired):
                    process.wait(_STEP)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the helper and all that it started, unless it has ended by itself."""
    import signal
    from subprocess import TimeoutExpired

    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutExpired):  # one that the system itself cannot end
            process.wait(1)
