"""The system calls on files, at which a test lets the disk fill up, a call fail, or the process be killed.

::

    with SystemCalls(DiskFull(100_000)) as calls:
        ...
    assert calls.written <= 100_000

Only calls through `os` are seen, which are all that the package makes; those on pipes and sockets are left alone.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self

# Calls that write bytes, with the position of the descriptor they write to, and of the bytes or their number.
WRITES = {"write": (0, 1), "pwrite": (0, 1), "copy_file_range": (1, 2), "sendfile": (0, 3)}
# Calls that change what there is.
CHANGES = ("open", "mkdir", "replace", "rename", "link", "unlink", "rmdir", "ftruncate", "fsync")
# Those of them that give a file its name, or make one.
NAMES = ("open", "mkdir", "replace", "rename", "link")
READS = ("pread", "preadv")
_BY_DESCRIPTOR = ("ftruncate", "fsync", *READS)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function of `os`; ``size`` is the number of bytes it is to write, None if it writes none."""

    name: str
    size: int | None
    _function: Callable[..., Any]
    _arguments: tuple[Any, ...]
    _keywords: dict[str, Any]

    def carry_out(self, size: int | None = None) -> Any:
        """Make the call, for the first ``size`` bytes only if that is given; return what it returns."""
        arguments = list(self._arguments)
        if size is not None:
            place = WRITES[self.name][1]
            whole = arguments[place]
            arguments[place] = size if isinstance(whole, int) else memoryview(whole)[:size]
        return self._function(*arguments, **self._keywords)


class Incident(Protocol):
    """What happens at calls."""

    def perform(self, call: Call) -> Any:
        """Carry the call out, or not; return what it returns. May be called by several threads at the same time."""
        ...


class Nothing:
    """Every call is carried out."""

    def perform(self, call: Call) -> Any:
        return call.carry_out()


class DiskFull:
    """There is room for ``room`` bytes; a write that does not fit is cut short, as by the system, and the next one fails."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()
        self.happened = False

    def perform(self, call: Call) -> Any:
        if not call.size:
            return call.carry_out()
        with self._lock:
            granted = min(call.size, self._room)
            self._room -= granted
        if not granted:
            self.happened = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done: int = call.carry_out(granted)
        with self._lock:
            self._room += granted - done
        return done


class Failing:
    """Call number ``at``, from 0, of those in ``names`` fails with ``error``; with ``lasting`` every later one too."""

    def __init__(self, names: Collection[str], at: int, error: int = errno.EIO, *, lasting: bool = False) -> None:
        self._names, self._at, self._error, self._lasting = names, at, error, lasting
        self._lock = threading.Lock()
        self._seen = 0
        self.happened = False

    def perform(self, call: Call) -> Any:
        if call.name in self._names:
            with self._lock:
                number, self._seen = self._seen, self._seen + 1
            if number == self._at or (self._lasting and number > self._at):
                self.happened = True
                raise OSError(self._error, os.strerror(self._error))
        return call.carry_out()


Moment = Literal["before", "middle", "after"]


class Killing:
    """The process is killed at call number ``at``, from 0, of those that write or change something."""

    def __init__(self, at: int, moment: Moment) -> None:
        self._at, self._moment = at, moment
        self._lock = threading.Lock()
        self._seen = 0

    def perform(self, call: Call) -> Any:
        if call.name in READS:
            return call.carry_out()
        with self._lock:
            number, self._seen = self._seen, self._seen + 1
        if number != self._at:
            return call.carry_out()
        if self._moment == "middle" and call.size and call.size > 1:
            call.carry_out(call.size // 2)
        elif self._moment == "after":
            call.carry_out()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("not reached")


@dataclass
class SystemCalls:
    """Replaces the functions of `os` while it is entered; ``made`` counts the calls, ``written`` is a number of bytes."""

    incident: Incident = field(default_factory=Nothing)
    made: Counter[str] = field(default_factory=Counter)
    written: int = 0

    @property
    def changes(self) -> int:
        """How many calls wrote or changed something."""
        return sum(count for name, count in self.made.items() if name not in READS)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._functions: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> Self:
        for name in (*WRITES, *CHANGES, *READS):
            if hasattr(os, name):
                self._functions[name] = function = getattr(os, name)
                setattr(os, name, self._replacement(name, function))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, function in self._functions.items():
            setattr(os, name, function)

    def _replacement(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*arguments: Any, **keywords: Any) -> Any:
            if not _concerns(name, arguments):
                return function(*arguments, **keywords)
            result = self.incident.perform(Call(name, _size(name, arguments), function, arguments, keywords))
            with self._lock:
                self.made[name] += 1
                if name in WRITES:
                    self.written += result
            return result

        return replacement


def _concerns(name: str, arguments: tuple[Any, ...]) -> bool:
    """Whether a call is on a regular file, or changes names."""
    if name == "open":
        return len(arguments) > 1 and bool(arguments[1] & os.O_CREAT)
    if name not in WRITES and name not in _BY_DESCRIPTOR:
        return True
    descriptor = arguments[WRITES[name][0] if name in WRITES else 0]
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False  # the call itself says what is wrong with it


def _size(name: str, arguments: tuple[Any, ...]) -> int | None:
    if name not in WRITES:
        return None
    given = arguments[WRITES[name][1]]
    return given if isinstance(given, int) else memoryview(given).nbytes
