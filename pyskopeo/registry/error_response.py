"""Error answers of registries, as people need them: pure (distribution specification, "Error Codes")."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import AccessDenied, NotFound, PyskopeoError, RegistryError
from ..http.printable import to_printable
from ..http.retry import parse_retry_after

LIMIT = 64 * 1024
_MISSING = frozenset({"MANIFEST_UNKNOWN"})
_SENTENCES = ("error_description", "details", "detail", "message", "error")


def error_from_response(
    status: int,
    body: bytes,
    what: str,
    *,
    retry_after: str | None = None,
    note: str = "",
    redact: Callable[[str], str] = str,
) -> PyskopeoError:
    """The error for a refusal. ``what`` says what was asked, ``tried`` with which credentials.

    ``redact`` takes out of a server's text what nobody is to read.
    """
    parsed = _parsed(body)
    errors = _errors(parsed, redact)
    codes = tuple(code for code, _ in errors)
    reasons = "; ".join(
        f"{code.lower().replace('_', ' ')}: {message}" if message else code.lower().replace("_", " ")
        for code, message in errors
    )
    detail = reasons or _sentence(parsed, redact) or to_printable(redact(body.decode("utf-8", "replace")), 120) or "no explanation"
    if status == 404 and (_MISSING & set(codes)):
        return NotFound(f"{what}: {reasons}")
    if status in (401, 403):
        return AccessDenied(f"{what}: {detail} ({status}{note})", status=status, codes=codes)
    if status == 429:
        detail = f"too many requests: {detail}"
    return RegistryError(
        f"{what}: {detail} (status {status})", status=status, codes=codes, retry_after=parse_retry_after(retry_after)
    )


def _parsed(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is, else nothing."""
    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _sentence(parsed: dict[str, Any], redact: Callable[[str], str]) -> str:
    """What token servers say in other forms than the specification's (RFC 6749, section 5.2, and their own)."""
    for name in _SENTENCES:
        if isinstance(found := parsed.get(name), str) and found.strip():
            return to_printable(redact(found))
    return ""


def _errors(parsed: dict[str, Any], redact: Callable[[str], str]) -> list[tuple[str, str]]:
    """(code, message) of each error; nothing when it is not a registry's JSON."""
    listed = parsed.get("errors")
    if not isinstance(listed, list):
        return []
    return [
        (to_printable(redact(str(entry.get("code", "UNKNOWN"))), 60), to_printable(redact(str(entry.get("message", "")))))
        for entry in listed[:5]
        if isinstance(entry, dict)
    ]
