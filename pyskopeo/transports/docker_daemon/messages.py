"""Errors of a daemon and of the connection to it (Docker Engine API, "ErrorResponse", streams of messages). Pure."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

from ...errors import CertificateNotTrusted, ConnectionFailed, DaemonError, InvalidContent, NetworkError, Stalled
from ...http.error_mapping import ErrorMapping
from ...http.printable import clean

if TYPE_CHECKING:
    from ...http.origin import Origin
    from .address import Address

LIMIT = 1024 * 1024
# An error after an archive is the last thing a daemon sends, and shorter than this, in bytes.
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
    """The errors of a request to the daemon at ``address``; ``what`` is what messages say was being done.

    ``connect_timeout`` and ``stall_timeout`` are in seconds.
    """

    def __init__(self, address: Address, what: str, connect_timeout: float) -> None:
        self._address, self._what, self._connect_timeout = address, what, connect_timeout

    def connecting(self, error: Exception, origin: Origin, proxy: str | None = None) -> NetworkError:
        import ssl

        where = self._address.name
        if isinstance(error, TimeoutError):
            return Stalled(f"{where} takes no connection for {self._connect_timeout:g} s", host=where)
        if isinstance(error, ssl.SSLCertVerificationError):
            text = f"cannot trust {where}: {error.verify_message}; {_TLS}"
            return CertificateNotTrusted(text, host=self._address.host)
        reason = _HINTS.get(getattr(error, "errno", None) or 0, "")
        if isinstance(error, ssl.SSLError):
            reason = f"TLS failed: {error.reason or error}"
        reason = reason or getattr(error, "strerror", None) or str(error)
        return ConnectionFailed(f"cannot reach {where}: {reason}", host=self._address.text, temporary=False)

    def exchanging(self, error: Exception, origin: Origin, *, greeted: bool = False) -> NetworkError:
        return self.reading(error, origin)

    def reading(self, error: Exception, origin: Origin) -> NetworkError:
        import ssl

        reason = "broke off"
        if isinstance(error, OSError) and not isinstance(error, ConnectionError | ssl.SSLEOFError):
            alert = error.reason if isinstance(error, ssl.SSLError) else None
            reason = f"wants no TLS with us: {alert}; {_TLS}" if alert else f"failed: {error.strerror or error}"
        return ConnectionFailed(f"{self._what}: {self._address.name} {reason}", host=self._address.text)

    def stalled(self, origin: Origin, seconds: float) -> NetworkError:
        where = self._address.name
        return Stalled(f"{where}: no progress for {seconds:g} s", host=where)


def refusal(status: int, body: bytes, what: str) -> DaemonError:
    """The error for a response whose status is not 200; ``what`` says what was being done."""
    message = body.decode("utf-8", "replace")
    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        message = parsed.get("message") or parsed.get("cause") or ""
    return DaemonError(f"{what}: Error response from daemon: {clean(message) or f'status {status}'}", status=status)


def check_messages(body: bytes, what: str, *, whole: bool = True) -> None:
    """Check the messages of a task that the daemon carried out; raises `DaemonError` for an error in them.

    Raises `InvalidContent` for anything else than messages; not at the end of a body that is not ``whole``.
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
    """Raises `DaemonError` for an error that a daemon reports at the end of an archive it had begun to send."""
    start = tail.rfind(b'{"errorDetail"')
    if start < 0:
        return
    try:
        message: Any = json.loads(tail[start:])
    except (ValueError, RecursionError):
        return  # the content of a file in the archive
    if reason := _error(message):
        raise DaemonError(f"{what}: Error response from daemon: {reason}", status=200)


def _error(message: dict[str, Any]) -> str:
    """The reason of a failure, empty if there was none."""
    detail = message.get("errorDetail")
    found = detail.get("message") if isinstance(detail, dict) else None
    if found or message.get("error") or detail:
        return clean(found or message.get("error") or "") or "no reason given"
    return ""
