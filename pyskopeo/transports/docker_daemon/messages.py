"""A daemon's answers, as people need them: pure (Docker Engine API, "ErrorResponse", streams of messages)."""

from __future__ import annotations

import json
from typing import Any

from ...errors import DaemonError, InvalidContent
from ...http.printable import clean

LIMIT = 1024 * 1024
# Errors that come after what was asked for are short, and the last thing said.
TAIL = 16 * 1024


def refusal(status: int, body: bytes, what: str) -> DaemonError:
    """The error for an answer that is not 200; ``what`` says what was asked."""
    message = body.decode("utf-8", "replace")
    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        message = parsed.get("message") or parsed.get("cause") or ""
    return DaemonError(f"{what}: Error response from daemon: {clean(message) or f'status {status}'}", status=status)


def check_messages(body: bytes, what: str, *, whole: bool = True) -> None:
    """Go through the messages of a task that the daemon carried out; raises `DaemonError` for an error in them.

    Raises `InvalidContent` for what is no message, unless that may be since they are not the ``whole``.
    """
    text = body.decode("utf-8", "replace")
    decoder, position = json.JSONDecoder(), 0
    while rest := text[position:].lstrip():
        try:
            message, length = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            if not whole:
                return
            raise InvalidContent(f"{what}: the daemon's answer is no JSON: {clean(rest, 120)}") from None
        if isinstance(message, dict) and (reason := _error(message)):
            raise DaemonError(f"{what}: Error response from daemon: {reason}", status=200)
        position = len(text) - len(rest) + length


def check_tail(tail: bytes, what: str) -> None:
    """Raise `DaemonError` for an error message at the end of a response: what failed after its status was sent."""
    start = tail.rfind(b'{"errorDetail"')
    if start < 0:
        return
    try:
        message: Any = json.loads(tail[start:])
    except (ValueError, RecursionError):
        return  # a file of an image may say so, too
    if reason := _error(message):
        raise DaemonError(f"{what}: Error response from daemon: {reason}", status=200)


def _error(message: dict[str, Any]) -> str:
    """Why it failed; empty where it did not."""
    detail = message.get("errorDetail")
    found = detail.get("message") if isinstance(detail, dict) else None
    if found or message.get("error") or detail:
        return clean(found or message.get("error") or "") or "no reason given"
    return ""
