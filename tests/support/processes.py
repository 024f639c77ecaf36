"""Programs started in the background: bounded waits, sure ends, and their last words when they fail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from .require import find_program


class PeerFailed(Exception):
    """A real program did not start, or did not do what was asked in time."""


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Peer:
    """A program in the background; a context manager that has stopped it, and all it started, at its end.

    Subclasses say what to run and when it is ready. ``folder`` is its own and is removed at the end;
    its path is short, since Unix sockets have short names.
    """

    ready_within = 15.0
    ends_within = 10.0

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.log_path = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """What to run; called once for every attempt, so a port can be chosen anew."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    @property
    def log(self) -> str:
        """What it wrote so far, stdout and stderr."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        try:
            for attempt in (1, 2, 3):
                self._spawn()
                if wait_until(lambda: not self.running or self.is_ready(), self.ready_within) and self.running:
                    return self
                # Another program may have taken the port between our choice and its use.
                if self.running or attempt == 3 or "in use" not in self.log:
                    raise PeerFailed(f"{type(self).__name__} did not come up: {self.last_words()}")
            raise AssertionError("not reached")
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def last_words(self) -> str:
        """The end of its log, in one line."""
        return " | ".join(self.log.split("\n")[-8:])[-1500:] or "it wrote nothing"

    def stop(self) -> None:
        """End it: politely, then for certain."""
        process, self._process = self._process, None
        if process is not None:
            _signal(process, signal.SIGTERM)
            try:
                process.wait(self.ends_within)
            except subprocess.TimeoutExpired:
                pass
            # The whole group, also when the leader has gone: children must not outlive it.
            _signal(process, signal.SIGKILL)
            process.wait()
        self.cleaned()
        self._temporary.cleanup()

    def cleaned(self) -> None:
        """Undo what it left outside its folder."""

    def _spawn(self) -> None:
        command = list(self.command())
        program = find_program(command[0])
        if program is None:
            raise PeerFailed(f"the program {command[0]} is not installed")
        command[0] = program
        setpriv = find_program("setpriv")
        if setpriv and threading.current_thread() is threading.main_thread():
            # So that it dies with us even when we are killed. The signal is tied to the thread that starts it.
            command = [setpriv, "--pdeathsig", "TERM", *command]
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
        environ = {"PATH": path, "HOME": str(self.folder), "TMPDIR": str(self.folder), "LC_ALL": "C.UTF-8"}
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environ,
                start_new_session=True,
            )


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # it has ended, and its children with it


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether ``condition`` came true within ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def any_file(paths: Iterable[Path], holds: Callable[[os.stat_result], bool]) -> bool:
    """Whether something is true of a file, of those that are still there when it is looked at."""
    for path in paths:
        try:
            if holds(path.stat()):
                return True
        except FileNotFoundError:
            continue
    return False
