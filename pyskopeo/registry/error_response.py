"""Turn error responses of registries into errors with readable messages. Pure.

Distribution specification 1.1, "Error Codes".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import AccessDenied, NotFound, PyskopeoError, RegistryError
from ..http.printable import to_printable
from ..http.retry_after import parse_retry_after

# Bytes. The maximum of an error response that is read.
LIMIT = 64 * 1024
_MISSING = frozenset({"MANIFEST_UNKNOWN"})
# Characters of a body in another format that are shown; the second is about what skopeo shows.
_MAX_TEXT, _SHOWN = 120, 53
_DENIED = "requested access to the resource is denied"
# What the codes mean that registries send without a message, in the words of the distribution project.
_MEANINGS = {"DENIED": _DENIED, "UNAUTHORIZED": "authentication required"}
# What begins the error for a request for tags, in skopeo's words, which scripts match.
FETCHING_TAGS = "fetching tags list"
# The members in which other servers than registries give their reason, in order of preference.
_REASONS = ("error_description", "details", "detail", "message", "error")


class TokenRefused(AccessDenied):
    """Internal: a token server refused to give a token, so that no request that needs one can succeed.

    To callers of the library it is an `AccessDenied`.
    """


def error_from_response(
    status: int,
    body: bytes,
    what: str,
    *,
    retry_after: str | None = None,
    challenges: Iterable[str] = (),
    note: str = "",
    redact: Callable[[str], str] = str,
) -> PyskopeoError:
    """Return the error for a response whose ``status`` is an error; ``what`` describes the request.

    ``retry_after`` is the response's ``Retry-After``, ``challenges`` are its values of ``WWW-Authenticate``. ``note``
    follows the status in the message of a 401 or 403, to say which credentials were used. ``redact`` removes secrets
    from the server's text.
    """
    parsed = _parse(body)
    errors = _errors(parsed, redact)
    codes = tuple(code for code, _ in errors)
    reasons = "; ".join(_reason(code, message) for code, message in errors)
    if status == 404 and (_MISSING & set(codes)):
        return NotFound(f"{what}: {reasons}")
    detail = reasons or _other_reason(parsed, redact)
    known = bool(detail) or status >= 500
    if not detail:
        detail = _undocumented(status, redact(body.decode("utf-8", "replace")))
    if status in (401, 403):
        refusal = _refusal(challenges, redact)
        detail = f"{refusal}: {detail}" if refusal and refusal not in detail else detail
        return AccessDenied(f"{what}: {detail} ({status}{note})", status=status, codes=codes)
    if status == 429:
        detail = f"too many requests: {detail}"
    return RegistryError(
        f"{what}: {detail} (status {status})" if known else f"{what}: {detail}",
        status=status,
        codes=codes,
        retry_after=parse_retry_after(retry_after),
    )


def login_advice(registry: str, program: str, *, found: bool, stored: bool, may_be_public: bool) -> str:
    """Return the next step after a refusal, to be added to the message.

    ``program`` is the name of the program that logs in. ``found`` is whether there were credentials, ``stored`` whether
    a login had stored them.
    """
    login = f"with: {program} login {registry}"
    if not found:
        return f"; log in {login}"
    again = f"; log in again {login}" if stored else ""
    public = "; if it is public, leave the credentials out: --no-creds (of a copy: --src-no-creds)"
    return again + (public if may_be_public else "")


def _reason(code: str, message: str) -> str:
    """Return an error as skopeo shows it; what the code says is not said again by the message."""
    words = code.lower().replace("_", " ")
    message = message or _MEANINGS.get(code, "")
    if message.lower().startswith(words):
        return words + message[len(words) :]
    return f"{words}: {message}" if message else words


def _undocumented(status: int, text: str) -> str:
    """Return the reason for a response that is not in the specification's format; scripts match skopeo's words."""
    line = to_printable(text, _MAX_TEXT)
    if status >= 500:
        return line or "no explanation"
    if status == 401:
        meaning = _MEANINGS["UNAUTHORIZED"]
        return f"{meaning}: {line}" if line else meaning
    return f"StatusCode: {status}, {json.dumps(to_printable(text, _SHOWN), ensure_ascii=False)}"


def _refusal(challenges: Iterable[str], redact: Callable[[str], str]) -> str:
    """Return what a Bearer challenge says was wrong with the token (RFC 6750 section 3); empty if it says nothing."""
    from .challenge import parse_challenges

    for challenge in parse_challenges(challenges):
        error = challenge.parameters.get("error", "") if challenge.scheme == "bearer" else ""
        if error in ("invalid_token", "insufficient_scope"):
            described = to_printable(redact(challenge.parameters.get("error_description", "")))
            return described or (_DENIED if error == "insufficient_scope" else _MEANINGS["UNAUTHORIZED"])
    return ""


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
