"""Log lines on standard error, in the format of skopeo's logger (logrus), which scripts match."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO, cast

from .command import program
from .standard_streams import Nowhere, escape
from .terminal import has_color

_STARTED = time.monotonic()
_SHORT = {"debug": "DEBU", "info": "INFO", "warning": "WARN", "error": "ERRO", "fatal": "FATA"}
_COLOURS = {"warning": 33, "error": 31, "fatal": 31}  # ECMA-48, "Select Graphic Rendition"
_PLAIN = r"[A-Za-z0-9._/@^+-]*"
_WIDTH = 45

# The user name and the password in an address, as opposed to the tag in name:tag@sha256:... Compiled at the first line.
_USERINFO = r"//[^\s/@\"']*:[^\s/@\"']*@(?!sha[0-9]+:)"

_debugging = False
_print_above: Callable[[str], None] | None = None


def set_debugging(wanted: bool) -> None:
    """Turn lines of level ``debug`` on or off."""
    global _debugging  # noqa: PLW0603 - a setting of the process, as in logrus
    _debugging = wanted


def debugging() -> bool:
    """Return whether lines of level ``debug`` are wanted."""
    return _debugging


@contextmanager
def printing_above(print_above: Callable[[str], None]) -> Iterator[None]:
    """Print all lines by ``print_above`` within the block, in which the last rows of the terminal are redrawn."""
    global _print_above  # noqa: PLW0603 - there is one standard error
    outer, _print_above = _print_above, print_above
    try:
        yield
    finally:
        _print_above = outer


def emit(text: str) -> None:
    """Print a line on standard error.

    Raises `BrokenPipeError` if standard error has no reader any more. Where it cannot be written to for
    another reason, such as a full disk, the line is lost: that is no reason to fail a copy.
    """
    if _print_above is not None:
        _print_above(text)
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        sys.stderr = cast("TextIO", Nowhere())  # what is still buffered would fail again


def emit_notice(text: str) -> None:
    """Print a line on standard error about what has been done; if nobody reads it, that is no reason to fail."""
    try:
        emit(escape(text))
    except BrokenPipeError:
        return  # the exit code still reports success


def log(level: str, message: str, fields: Mapping[str, str] | None = None) -> None:
    """Print one line of a level: ``debug``, ``info``, ``warning``, ``error`` or ``fatal``; see `line`."""
    try:
        emit(line(level, message, fields))
    except BrokenPipeError:
        return  # standard error has no reader any more; the exit code still reports the error


def line(level: str, message: str, fields: Mapping[str, str] | None = None) -> str:
    """Return a log line without its end; ``fields`` follow the message, sorted by name.

    On a terminal it is short, elsewhere it has a time stamp. Passwords in addresses are replaced by ``***``. Colours,
    red for errors, are where the terminal has them, but not in the output of skopeo.
    """
    message = without_passwords(message)
    more = "".join(f" {name}={_value(value)}" for name, value in sorted((fields or {}).items()))
    if sys.stderr.isatty():
        shown = _printable(message).ljust(_WIDTH) if fields else _printable(message)
        colour = _COLOURS.get(level) if has_color(sys.stderr) and program() != "skopeo" else None
        name = f"\x1b[{colour}m{_SHORT[level]}\x1b[0m" if colour else _SHORT[level]
        return f"{name}[{int(time.monotonic() - _STARTED):04d}] {shown}{more}"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f'time="{now}" level={level} msg={_quoted(message)}{more}'


def without_passwords(text: str) -> str:
    """Return ``text`` with ``***`` in place of passwords in addresses."""
    return re.sub(_USERINFO, "//***@", text)


def _value(text: str) -> str:
    """Return the value of a field, in quotes only if it needs them."""
    return text if re.fullmatch(_PLAIN, text, re.ASCII) else _quoted(without_passwords(text))


def _quoted(message: str) -> str:
    escaped = message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_printable(escaped)}"'


def _printable(message: str) -> str:
    """Escape control characters, since messages contain text from registries and files."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in message)
