"""Errors of a Docker daemon, and of the connection to it. Pure.

Docker Engine API, "ErrorResponse", and the stream of JSON messages in the responses of ``/images/load``.
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

from ...errors import CertificateNotTrusted, ConnectionFailed, DaemonError, InvalidContent, NetworkError, Stalled
from ...http.error_mapping import ErrorMapping, tls_reason, verification_reason
from ...http.printable import to_printable
from ...http.response_head import InvalidResponse

if TYPE_CHECKING:
    from ...http.origin import Origin
    from ...http.time_limits import TooSlow
    from .address import Address

# Bytes of an error response, or of all messages of a response, that are read.
LIMIT = 1024 * 1024
# Bytes at the end of an archive in which an error message of the daemon is looked for.
TAIL = 16 * 1024

_TLS = "see the --cert-dir flags, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
_HINTS = {
    errno.ENOENT: "no such socket; start the daemon, or name another by DOCKER_HOST or a --daemon-host flag",
    errno.ECONNREFUSED: "connection refused; start the daemon, or name another by DOCKER_HOST or a --daemon-host flag",
    errno.EACCES: "permission denied; join the group of its socket, or be root",
    errno.ENOTSOCK: "not a socket",
    errno.ENAMETOOLONG: "the path of its socket is too long",
}


class DaemonErrorMapping(ErrorMapping):
    """Maps the errors of a request to the daemon at ``address``; ``what`` describes the request in messages.

    ``connect_timeout`` is in seconds.
    """

    def __init__(self, address: Address, what: str, connect_timeout: float) -> None:
        self._address, self._what, self._connect_timeout = address, what, connect_timeout

    def connect_error(self, error: Exception, origin: Origin, proxy: str | None = None) -> NetworkError:
        import ssl

        where = self._address.name
        if isinstance(error, TimeoutError):
            return Stalled(f"{where} takes no connection for {self._connect_timeout:g} s", host=where)
        if isinstance(error, ssl.SSLCertVerificationError):
            text = f"cannot trust {where}: {verification_reason(error)}; {_TLS}"
            return CertificateNotTrusted(text, host=self._address.host)
        reason = _HINTS.get(getattr(error, "errno", None) or 0, "")
        if isinstance(error, ssl.SSLError):
            reason = f"TLS failed: {tls_reason(error)}"
        reason = reason or getattr(error, "strerror", None) or str(error)
        return ConnectionFailed(f"Cannot connect to {where}: {reason}", host=self._address.text, temporary=False)

    def exchange_error(self, error: Exception, origin: Origin, *, after_handshake: bool = False) -> NetworkError:
        return self.read_error(error, origin)

    def read_error(self, error: Exception, origin: Origin) -> NetworkError:
        import ssl

        if isinstance(error, InvalidResponse):
            reason = f"sent no valid HTTP answer: {error}"
        elif not isinstance(error, OSError) or isinstance(error, ConnectionError | ssl.SSLEOFError):
            reason = "broke off"
        elif isinstance(error, ssl.SSLError) and error.reason:
            reason = f"wants no TLS with us: {tls_reason(error)}; {_TLS}"
        else:
            reason = f"failed: {error.strerror or error}"
        return ConnectionFailed(f"{self._what}: {self._address.name} {reason}", host=self._address.text)

    def stall_error(self, origin: Origin, seconds: float) -> NetworkError:
        where = self._address.name
        return Stalled(f"{where}: no progress for {seconds:g} s", host=where)

    def slow_error(self, error: TooSlow, origin: Origin) -> NetworkError:
        return Stalled(f"{self._what}: {self._address.name}: {error}", host=self._address.name)


def error_from_response(status: int, body: bytes, what: str) -> DaemonError:
    """Return the error for a response whose status is not 200; ``what`` describes the request."""
    message = body.decode("utf-8", "replace")
    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        message = parsed.get("message") or parsed.get("cause") or ""
    reason = to_printable(message) or f"status {status}"
    return DaemonError(f"{what}: Error response from daemon: {reason}", status=status)


def check_messages(body: bytes, what: str, *, whole: bool = True) -> None:
    """Check the JSON messages about the progress of a request; raises `DaemonError` for an error in them.

    Raises `InvalidContent` for anything that is not JSON, except at the end of a body that is not ``whole``.
    """
    text = body.decode("utf-8", "replace")
    decoder, position = json.JSONDecoder(), 0
    while rest := text[position:].lstrip():
        try:
            message, length = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            if not whole:
                return
            raise InvalidContent(f"{what}: the daemon's answer is no JSON: {to_printable(rest, 120)}") from None
        if isinstance(message, dict) and (reason := _error(message)):
            raise DaemonError(f"{what}: Error response from daemon: {reason}", status=200)
        position = len(text) - len(rest) + length


def check_archive_tail(tail: bytes, what: str) -> None:
    """Raise `DaemonError` if an archive ends with the message of an error, in ``tail``, its last `TAIL` bytes.

    The daemon writes it there if it fails after it has begun to send the archive.
    """
    start = tail.rfind(b'{"errorDetail"')
    if start < 0:
        return
    try:
        message: Any = json.loads(tail[start:])
    except (ValueError, RecursionError):
        return  # not a message, but the content of a file in the archive
    if reason := _error(message):
        raise DaemonError(f"{what}: Error response from daemon: {reason}", status=200)


def _error(message: dict[str, Any]) -> str:
    """Return the reason in the message of an error, empty for other messages."""
    detail = message.get("errorDetail")
    found = detail.get("message") if isinstance(detail, dict) else None
    if found or message.get("error") or detail:
        return to_printable(found or message.get("error") or "") or "no reason given"
    return ""
