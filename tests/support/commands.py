"""Our command line, as a subprocess or right here, and skopeo's: what each said and how it ended."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from .require import require_peer

ROOT = Path(__file__).resolve().parents[2]
PYSKOPEO = (sys.executable, "-m", "pyskopeo")


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


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This test's environment, with the package under test importable from any folder."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | dict(more or {})


def pyskopeo(*words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 30) -> Done:
    """``pyskopeo WORDS``, to its end."""
    return _run([*PYSKOPEO, *map(str, words)], environment(env), cwd, timeout)


def pyskopeo_here(*words: object) -> Done:
    """``pyskopeo WORDS`` in this process, which saves its start; not for what writes to a descriptor."""
    from pyskopeo.cli.main import main

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(map(str, words)))
    return Done(code, _written(out), _written(err).decode())


def _written(stream: io.TextIOWrapper) -> bytes:
    buffer = stream.detach()
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def skopeo(*words: object, cwd: Path | None = None, timeout: float = 30) -> Done:
    """``skopeo WORDS``, to its end, accepting all images; the test needs skopeo then."""
    command = [require_peer("skopeo"), "--insecure-policy", *map(str, words)]
    return _run(command, dict(os.environ), cwd, timeout)


def succeed(done: Done) -> Done:
    """``done``, which must have ended well."""
    assert done.code == 0, done.stderr
    return done


def _run(command: list[str], env: dict[str, str], cwd: Path | None, timeout: float) -> Done:
    done = subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr.decode())
