"""Lines on standard error: skopeo's, that is logrus's, so that scripts find what they look for."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping

_STARTED = time.monotonic()
_SHORT = {"debug": "DEBU", "info": "INFO", "warning": "WARN", "error": "ERRO", "fatal": "FATA"}
_PLAIN = re.compile(r"[A-Za-z0-9._/@^+-]*", re.ASCII)
_WIDTH = 45

# A user with a password in an address; the digest of name:tag@sha256:... is none.
_USERINFO = re.compile(r"//[^\s/@\"']*:[^\s/@\"']*@(?!sha[0-9]+:)")


_debugging = False


def set_debugging(wanted: bool) -> None:
    """Whether there are lines of level ``debug``."""
    global _debugging  # noqa: PLW0603 - one standard error, one answer, as in logrus
    _debugging = wanted


def debugging() -> bool:
    return _debugging


def log(level: str, message: str, fields: Mapping[str, str] | None = None) -> None:
    """One line of a level: ``info``, ``warning``, ``error`` or ``fatal``; ``fields`` follow by name."""
    try:
        print(line(level, message, fields), file=sys.stderr, flush=True)
    except BrokenPipeError:
        return  # nobody reads standard error any more; the exit code still tells


def line(level: str, message: str, fields: Mapping[str, str] | None = None) -> str:
    """What `log` prints. Passwords that someone wrote into an address are not repeated."""
    message = _USERINFO.sub("//***@", message)
    more = "".join(f" {name}={_value(value)}" for name, value in sorted((fields or {}).items()))
    if sys.stderr.isatty():
        shown = _printable(message).ljust(_WIDTH) if fields else _printable(message)
        return f"{_SHORT[level]}[{int(time.monotonic() - _STARTED):04d}] {shown}{more}"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f'time="{now}" level={level} msg={_quoted(message)}{more}'


def _value(text: str) -> str:
    """In quotes only where that is needed."""
    return text if _PLAIN.fullmatch(text) else _quoted(_USERINFO.sub("//***@", text))


def _quoted(message: str) -> str:
    escaped = message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_printable(escaped)}"'


def _printable(message: str) -> str:
    """Names and answers of strangers are in messages: no control character reaches the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in message)
