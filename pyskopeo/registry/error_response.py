"""Turn error responses of registries into errors with readable messages. Pure.

Distribution specification 1.1, "Error Codes".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import AccessDenied, NotFound, PyskopeoError, RegistryError
from ..http.printable import to_printable
from ..http.retry import parse_retry_after

# Bytes. The maximum of an error response that is read.
LIMIT = 64 * 1024
_MISSING = frozenset({"MANIFEST_UNKNOWN"})
# The members in which other servers than registries give their reason, in order of preference.
_REASONS = ("error_description", "details", "detail", "message", "error")


def error_from_response(
    status: int,
    body: bytes,
    what: str,
    *,
    retry_after: str | None = None,
    note: str = "",
    redact: Callable[[str], str] = str,
) -> PyskopeoError:
    """Return the error for a response whose ``status`` is an error; ``what`` describes the request.

    ``retry_after`` is the response's ``Retry-After``. ``note`` follows the status in the message of a 401 or 403, to
    say which credentials were used. ``redact`` removes secrets from the server's text.
    """
    parsed = _parse(body)
    errors = _errors(parsed, redact)
    codes = tuple(code for code, _ in errors)
    reasons = "; ".join(
        f"{code.lower().replace('_', ' ')}: {message}" if message else code.lower().replace("_", " ")
        for code, message in errors
    )
    detail = reasons or _other_reason(parsed, redact)
    detail = detail or to_printable(redact(body.decode("utf-8", "replace")), 120) or "no explanation"
    if status == 404 and (_MISSING & set(codes)):
        return NotFound(f"{what}: {reasons}")
    if status in (401, 403):
        return AccessDenied(f"{what}: {detail} ({status}{note})", status=status, codes=codes)
    if status == 429:
        detail = f"too many requests: {detail}"
    return RegistryError(
        f"{what}: {detail} (status {status})", status=status, codes=codes, retry_after=parse_retry_after(retry_after)
    )


def _parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, empty if it is something else."""
    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _other_reason(parsed: dict[str, Any], redact: Callable[[str], str]) -> str:
    """Return the reason in the errors of token servers (RFC 6749 section 5.2, and other formats)."""
    for name in _REASONS:
        if isinstance(found := parsed.get(name), str) and found.strip():
            return to_printable(redact(found))
    return ""


def _errors(parsed: dict[str, Any], redact: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return the code and the message of each error, none if the body is not in the specification's format."""
    listed = parsed.get("errors")
    if not isinstance(listed, list):
        return []
    return [
        (
            to_printable(redact(str(entry.get("code", "UNKNOWN"))), 60),
            to_printable(redact(str(entry.get("message", "")))),
        )
        for entry in listed[:5]
        if isinstance(entry, dict)
    ]
