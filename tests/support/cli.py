"""The command line in this process: what it said and how it ended."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

import pytest

from pyskopeo.cli.main import main


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: ``code`` is negative for a signal."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard error."""
        return self.stderr.splitlines()


def pyskopeo_here(*words: object, stdin: str | None = None, env: Mapping[str, str] | None = None) -> Done:
    """``pyskopeo WORDS`` in this process, which saves its start; not for what writes to a descriptor.

    ``stdin`` is what it reads, ``env`` what is added to the environment.
    """
    from pyskopeo.cli.main import main

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    read = sys.stdin if stdin is None else io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    changed = patch.dict(os.environ, env or {})
    with changed, patch.object(sys, "stdin", read), redirect_stdout(out), redirect_stderr(err):
        code = main(list(map(str, words)))
    return Done(code, _written(out), _written(err).decode())


def _written(stream: io.TextIOWrapper) -> bytes:
    buffer = stream.detach()
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def succeed(done: Done) -> Done:
    """``done``, which must have ended well."""
    assert done.code == 0, done.stderr
    return done


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, list[str]]:
    """Exit code, standard output, and the messages on standard error."""
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    messages = []
    for line in captured.err.splitlines():
        found = re.fullmatch(r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=(\w+) msg=(".*")', line)
        messages.append(f"{found[1]}: {json.loads(found[2])}" if found else line)
    return code, captured.out, messages


def said(stderr: str) -> str:
    (line,) = stderr.splitlines()
    found = re.fullmatch(r'time="[^"]*" level=fatal msg=(".*")', line)
    assert found, stderr
    message: str = json.loads(found[1])
    return message


def fatal(done: Done, code: int = 1) -> str:
    """The one line of a command that failed."""
    assert done.code == code, done.stderr
    assert done.stdout == b""
    (line,) = [line for line in done.lines if " level=fatal " in line]
    assert line == done.lines[-1]
    message: str = json.loads(line.partition("msg=")[2])
    assert "\n" not in message
    return message
