"""The access log: one line for each request, without secrets.

``TIME CLIENT USER "METHOD PATH" STATUS SENT RECEIVED SECONDS "USER AGENT"``: the time is UTC, sent and received are
bytes of bodies; ``-`` is for what is not known. Of a query, values are written that name images only.
"""

from __future__ import annotations

import os
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ..errors import StorageFailed
from .metrics import Exchange

if TYPE_CHECKING:
    from starlette.types import Scope

STANDARD_OUTPUT = "-"
_FLUSH_SECONDS = 0.2
_WAITING = 20_000  # lines; more are dropped while the file cannot be written to fast enough
_SHOWN_VALUES = frozenset({"digest", "mount", "from", "n", "last", "artifactType", "ns", "service", "scope", "account"})


def log_line(scope: Scope, user: str, done: Exchange, now: float) -> str:
    """Return the line for a request, without its end; ``now`` is in seconds since the epoch."""
    when = datetime.fromtimestamp(now, UTC)
    stamp = when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}Z"
    client = (scope.get("client") or ("-",))[0]
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"-").decode("latin-1")
    path = (scope.get("raw_path") or b"").decode("latin-1") + _query(scope["query_string"])
    request = f'"{_plain(scope["method"], 20)} {_plain(path, 2000)}"'
    name = _plain(user, 120).replace(" ", "\\x20") or "-"
    return (
        f"{stamp} {client} {name} {request} {done.status or '-'} {done.sent} {done.received} {done.seconds:.3f} "
        f'"{_plain(agent, 200)}"'
    )


def _query(raw: bytes) -> str:
    if not raw:
        return ""
    try:
        fields = parse_qsl(raw[:8192].decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return "?..."
    shown = (f"{name}={value if name in _SHOWN_VALUES else '...'}" for name, value in fields)
    return "?" + "&".join(shown)


def _plain(text: str, limit: int) -> str:
    """Return text that stays in its line and its quotes."""
    if len(text) <= limit and text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    escaped = "".join(
        one if " " <= one <= "~" and one not in '"\\' else one.encode("unicode_escape").decode().replace('"', "\\x22")
        for one in text[:limit]
    )
    return escaped + ("..." if len(text) > limit else "")


class AccessLog:
    """Lines that wait to be written, by `run`. ``path`` is appended to; `STANDARD_OUTPUT` stands for that.

    ``dropped`` is the number of lines that could not be written, or not fast enough.
    Raises `StorageFailed` if the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: deque[str] = deque()
        self.dropped = 0
        self._fd = self._open()

    def add(self, line: str) -> None:
        """Have a line written soon."""
        if len(self._lines) >= _WAITING:
            self.dropped += 1
        else:
            self._lines.append(line)

    def reopen(self) -> None:
        """Go on in a new file of the same name, after the old one was renamed."""
        if self._path != STANDARD_OUTPUT:
            opened = self._open()
            os.dup2(opened, self._fd, inheritable=False)  # in one step: a worker thread may be writing
            os.close(opened)

    async def run(self) -> None:
        """Write the lines, until cancelled; a reader that is slow keeps nobody else waiting."""
        from anyio import CancelScope, move_on_after, sleep, to_thread

        try:
            while True:
                await sleep(_FLUSH_SECONDS)
                if self._lines:
                    await to_thread.run_sync(self._write, abandon_on_cancel=True)
        finally:
            with CancelScope(shield=True), move_on_after(2):
                await to_thread.run_sync(self._write, abandon_on_cancel=True)

    def _open(self) -> int:
        if self._path == STANDARD_OUTPUT:
            return 1
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o640)
        except OSError as error:
            raise StorageFailed.of(error, f"open {Path(self._path)}") from error

    def _write(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        content = memoryview("".join(f"{line}\n" for line in lines).encode())
        try:
            while content:
                content = content[os.write(self._fd, content) :]
        except OSError:  # a full disk, or nobody who reads: no reason to stop serving
            self.dropped += content.tobytes().count(b"\n")
