"""The standard streams of the process: all open, in UTF-8, and safe to show on a terminal."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from typing import TYPE_CHECKING, TextIO, cast

from ..errors import StorageFailed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Control characters other than tab and line feed, invisible characters, and those that change the direction of
# writing or select another alphabet. The joiners U+200C and U+200D are left, since scripts and emoji need them.
# Compiled by `re` at the first use.
_UNSAFE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# What sets colours and bold, and nothing else.
_STYLE = "(\x1b\\[[0-9;]*m)"


def escape(text: str) -> str:
    r"""Return ``text`` with characters that could control a terminal as ``\uXXXX``, which JSON reads as the same."""
    return re.sub(_UNSAFE, _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class _StreamFile(io.FileIO):
    """A standard stream for writing, which may be a pipe or terminal that another program has made non-blocking."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "w", closefd=False)

    def write(self, content: ReadableBuffer) -> int:
        """Write some of ``content``, and wait until that is possible."""
        while (written := cast("int | None", super().write(content))) is None:
            import select

            select.select([], [self.fileno()], [])
        return written


class StandardOutput(io.TextIOWrapper):
    """Standard output in UTF-8, whatever the locale; on a terminal, text is escaped by `escape`.

    `write` and `flush` raise `StorageFailed` where the system refuses to write, and `BrokenPipeError` if
    there is no reader any more.
    """

    def __init__(self, fd: int) -> None:
        # A buffered writer in any case: with PYTHONUNBUFFERED sys.stdout has none, and may write only a part.
        raw = _StreamFile(fd)
        self._terminal = raw.isatty()
        super().__init__(
            io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=self._terminal
        )

    def write(self, text: str) -> int:
        """Write text, escaped on a terminal."""
        try:
            return super().write(escape(text) if self._terminal else text)
        except OSError as error:
            raise _as_storage_error(error) from error

    def write_styled(self, text: str) -> None:
        """Write text with the sequences that set colours, all else escaped on a terminal."""
        for number, part in enumerate(re.split(_STYLE, text)):
            if number % 2:
                super().write(part)
            else:
                self.write(part)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            super().flush()
        except OSError as error:
            raise _as_storage_error(error) from error

    def write_bytes(self, content: bytes) -> None:
        """Write bytes unchanged, or on a terminal as escaped text."""
        if self._terminal:
            self.write(content.decode("utf-8", "backslashreplace"))
            return
        self.flush()
        try:
            self.buffer.write(content)
        except OSError as error:
            raise _as_storage_error(error) from error


def write_bytes(content: bytes) -> None:
    """Write bytes to standard output unchanged, or on a terminal as escaped text."""
    out = sys.stdout
    if isinstance(out, StandardOutput):
        out.write_bytes(content)
        return
    out.flush()  # of another program that runs the command within its own process
    out.buffer.write(content)
    out.buffer.flush()


def print_styled(text: str) -> None:
    """Print a text that has colours of our own, as a line on standard output; other control characters are escaped."""
    out = sys.stdout
    if isinstance(out, StandardOutput):
        out.write_styled(f"{text}\n")
    else:
        print(text)


def _as_storage_error(error: OSError) -> Exception:
    return error if isinstance(error, BrokenPipeError) else StorageFailed.of(error, "writing to standard output")


def prepare_standard_streams() -> None:
    """Open the standard streams that are closed, and set the encoding of all.

    To be called before any file is opened: a file could get the number of a closed stream, and messages
    would be written into it.
    """
    for fd in range(3):
        try:
            is_usable = not stat.S_ISDIR(os.fstat(fd).st_mode)
        except OSError:
            is_usable = False
        if not is_usable:
            _occupy(fd)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)
    sys.stdout = StandardOutput(1)
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_StreamFile(2)), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _occupy(fd: int) -> None:
    """Open /dev/null at ``fd``, for the wrong direction: using the stream fails, as if it were closed."""
    try:
        opened = os.open(os.devnull, os.O_WRONLY if fd == 0 else os.O_RDONLY)
    except OSError:  # without /dev, as in a bare root directory
        opened, other = os.pipe()
        os.close(other)
    if opened != fd:
        os.dup2(opened, fd)
        os.close(opened)
    os.set_inheritable(fd, True)


class Nowhere(io.TextIOBase):
    """A stream whose output is lost, in place of one that cannot be written to."""

    def write(self, text: str) -> int:
        """Return the number of characters, as if they were written."""
        return len(text)


def notice(text: str) -> None:
    """Print a line about what has been done, which is no result: a failure to write it is ignored."""
    try:
        print(text, flush=True)
    except (StorageFailed, OSError):
        sys.stdout = cast("TextIO", Nowhere())  # what is still buffered would fail again


def flush_standard_streams() -> None:
    """Write what is buffered; raises `StorageFailed` or `BrokenPipeError` if standard output is incomplete."""
    try:
        sys.stderr.flush()
    except OSError:
        sys.stderr = cast("TextIO", Nowhere())  # messages that nobody can read; the exit code has the result
    sys.stdout.flush()


def read_input(limit: int, what: str) -> bytes:
    """Return standard input to its end, or one byte more than ``limit``.

    Raises `StorageFailed`, whose message begins with ``what``, if it cannot be read, as when it is closed.
    """
    try:
        return sys.stdin.buffer.read(limit + 1)
    except OSError as error:
        raise StorageFailed.of(error, f"{what}: reading standard input") from None
