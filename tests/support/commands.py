"""Our command line, as a subprocess or right here, and skopeo's: what each said and how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .cli import Done
from .require import require_peer

ROOT = Path(__file__).resolve().parents[2]
PYSKOPEO = (sys.executable, "-m", "pyskopeo")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This test's environment, with the package under test importable from any folder."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | dict(more or {})


def pyskopeo(*words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 30) -> Done:
    """``pyskopeo WORDS``, to its end."""
    return _run([*PYSKOPEO, *map(str, words)], environment(env), cwd, timeout)


def skopeo(*words: object, cwd: Path | None = None, timeout: float = 30) -> Done:
    """``skopeo WORDS``, to its end, accepting all images; the test needs skopeo then."""
    command = [require_peer("skopeo"), "--insecure-policy", *map(str, words)]
    return _run(command, dict(os.environ), cwd, timeout)


def older_skopeo(*words: object, cwd: Path | None = None, timeout: float = 30) -> Done:
    """As `skopeo`, with Debian 12's skopeo 1.9."""
    command = [require_peer("skopeo-1.9"), "--insecure-policy", *map(str, words)]
    return _run(command, dict(os.environ), cwd, timeout)


def _run(command: list[str], env: dict[str, str], cwd: Path | None, timeout: float) -> Done:
    done = subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr.decode())


@contextmanager
def started(*words: object, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """A running ``pyskopeo WORDS``, gone at the end of the block in any case."""
    process = subprocess.Popen(
        [*PYSKOPEO, *map(str, words)], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, env=environment()
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
