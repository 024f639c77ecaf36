"""What the clients of a proxy are told when its upstream does not have, refuses or fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import (
    AccessDenied,
    CredentialsFailed,
    InvalidContent,
    InvalidInput,
    NetworkError,
    NotFound,
    PyskopeoError,
    RegistryError,
    Stalled,
    StorageFailed,
)
from .responses import VERSION, error_reply, reason

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_MAX_MESSAGE = 500


def answer_to(request: Request, error: PyskopeoError) -> Response:
    """Return the response for an error: its status is that of upstream where that concerns the client."""
    status, code = _status_of(error, "BLOB_UNKNOWN" if "/blobs/" in request.scope["path"] else "MANIFEST_UNKNOWN")
    headers = dict(VERSION)
    if isinstance(error, RegistryError) and error.retry_after is not None and status in (429, 502, 503):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    message = reason(error) if isinstance(error, StorageFailed) else str(error)
    if isinstance(error, NotFound) or (isinstance(error, RegistryError) and status == 404 and not error.codes):
        message = "the registry behind this proxy does not have it"  # the response to HEAD said no more
    elif isinstance(error, AccessDenied):
        message = "the registry behind this proxy refuses that to it"  # whose logins are not the client's concern
    return error_reply(request, status, code, message[:_MAX_MESSAGE], headers)


def _status_of(error: PyskopeoError, unknown: str) -> tuple[int, str]:
    """Return the status and the code ("Error Codes") for an error; ``unknown`` is that for what does not exist.

    A client cannot log in to the upstream of a proxy: that it refuses the proxy is 403, not 401.
    """
    if isinstance(error, AccessDenied) or (isinstance(error, InvalidInput) and not isinstance(error, RegistryError)):
        return 403, "DENIED"
    if isinstance(error, NotFound):
        return 404, "NAME_UNKNOWN" if "name unknown" in str(error) else unknown
    if isinstance(error, RegistryError):
        if error.status == 429:
            return 429, "TOOMANYREQUESTS"
        if error.status in (400, 404, 405, 416, 508) and error.codes:
            return error.status, error.codes[0]
        return (404, unknown) if error.status == 404 else (502, "UNAVAILABLE")
    if isinstance(error, Stalled):
        return 504, "UNAVAILABLE"
    if isinstance(error, NetworkError | InvalidContent | CredentialsFailed):
        return 502, "UNAVAILABLE"
    return 500, "UNKNOWN"
