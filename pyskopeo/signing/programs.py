"""Programs that sign: how they are run.

Texts and passphrases go through pipes, never through arguments, which others can see. The environment is the user's,
since it says where keys are. A program may ask for a passphrase in a window or on the terminal, so it may take its
time; when the command is cancelled it is ended.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from ..credentials.helper_program import Programs
from ..errors import Unsupported
from ..fast_dataclass import dataclass
from ..streams.cancellation import Cancellation, run_in_thread

if TYPE_CHECKING:
    import subprocess

FD = "{fd}"
"""Stands in a command for the number of the pipe with the secret."""

_MAX_LINE = 300


@dataclass(frozen=True, slots=True)
class Finished:
    """The exit status and the output of a program."""

    status: int
    output: bytes = field(repr=False)
    errors: bytes = field(repr=False)

    @property
    def last_line(self) -> str:
        """The last line of its standard error that is not empty, without control characters."""
        lines = self.errors.decode("utf-8", "replace").splitlines()
        line = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return "".join(character for character in line if character.isprintable())[:_MAX_LINE]


def find_program(names: Sequence[str], environ: Mapping[str, str], needed_for: str) -> str:
    """Return the path of the first of ``names`` that is in ``PATH``; raises `Unsupported` if there is none."""
    programs = Programs(environ)
    found = next((path for name in names if (path := programs.find(name))), None)
    if found is None:
        raise Unsupported(f"{needed_for} needs the program {names[0]}, which is not in PATH")
    return found


async def run_program(
    command: Sequence[str], given: bytes, environ: Mapping[str, str], secret: bytes | None = None
) -> Finished:
    """Run ``command`` with ``given`` on standard input, in a worker thread.

    ``secret`` can be read from a pipe whose number takes the place of `FD` in the command. Raises `Unsupported` if the
    program cannot be started, but not for an exit status other than 0.
    """
    return await run_in_thread(partial(_run, tuple(command), given, dict(environ), secret))


def _run(command: Sequence[str], given: bytes, environ: dict[str, str], secret: bytes | None) -> Finished:
    """Run ``command``; raises `Cancelled`."""
    import subprocess

    pipe = subprocess.PIPE
    descriptors = [] if secret is None else [_filled_pipe(secret)]
    try:
        process = subprocess.Popen(  # noqa: S603 - an absolute path; no argument is taken for another thing
            [word.replace(FD, str(descriptors[0])) if descriptors else word for word in command],
            stdin=pipe, stdout=pipe, stderr=pipe, env=environ, pass_fds=descriptors, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise Unsupported(f"{command[0]} cannot be started: {error.strerror or error}") from None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    with process, Cancellation.current().on_cancel(partial(_end, process)):
        output, errors = process.communicate(given)
    return Finished(process.returncode, output, errors)


def _filled_pipe(secret: bytes) -> int:
    """Return the end of a pipe from which ``secret`` can be read; it is smaller than the buffer of a pipe."""
    read, write = os.pipe()
    with os.fdopen(write, "wb") as file:
        file.write(secret)
    return read


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        process.terminate()
