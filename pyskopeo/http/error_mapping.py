"""Map errors of sockets, TLS and invalid responses to errors of this package, whose messages say what to do. Pure."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError, Stalled
from .origin import Origin
from .response_head import InvalidResponse
from .time_limits import TooSlow

if TYPE_CHECKING:
    import ssl

# OpenSSL's reasons for first bytes from the server that are not TLS; they differ between its versions.
_NOT_TLS = frozenset({
    "wrong version number", "record layer failure", "http request", "https proxy request", "packet length too long",
})  # fmt: skip

# These are found before a byte is sent, so they say nothing about the server.
_LOCAL_REASONS = frozenset({"no protocols available", "no ciphers available"})
# What skopeo says for some of OpenSSL's reasons, for scripts that look for its words.
_SKOPEO_WORDS = {
    "tlsv1 alert protocol version": "protocol version not supported",
    "unsupported protocol": "protocol version not supported",
}
# Codes of OpenSSL for certificates whose authority is not known: no issuer, self-signed, incomplete chain.
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
# Parts of reasons for which a retry fails again.
_PERMANENT_REASONS = (
    "protocol version", "unsupported protocol", "handshake failure", "certificate", "unknown ca", "unrecognized name",
)


class ErrorMapping:
    """Maps the errors of a `Connector` and of the pool above it, by the step that failed.

    Each method returns the error to raise. The messages name the host and are written for registries; a subclass
    has those for another kind of server.
    """

    def connect_error(self, error: Exception, origin: Origin, proxy: str | None = None) -> NetworkError:
        """Return the error for a failed connection: name resolution, the socket, the proxy or the TLS handshake."""
        return map_error(error, origin, proxy)

    def exchange_error(self, error: Exception, origin: Origin, *, after_handshake: bool = False) -> NetworkError:
        """Return the error for a request that could not be sent, or the head of whose response could not be read.

        ``after_handshake`` says that this is the first request on the connection after its TLS handshake.
        """
        return map_error(error, origin, after_handshake=after_handshake)

    def read_error(self, error: Exception, origin: Origin) -> NetworkError:
        """Return the error for a body of a response that could not be read."""
        if isinstance(error, InvalidResponse):
            return map_error(error, origin)
        return ConnectionFailed(
            f"{origin.netloc}: connection lost: {str(error) or type(error).__name__}", host=origin.netloc
        )

    def stall_error(self, origin: Origin, seconds: float) -> NetworkError:
        """Return the error for a connection on which nothing was read or written for ``seconds``."""
        return Stalled(f"{origin.netloc}: no progress for {seconds:g} s (--stall-timeout)", host=origin.netloc)

    def slow_error(self, error: TooSlow, origin: Origin) -> NetworkError:
        """Return the error for a response that did not begin, or was not complete, in time."""
        return Stalled(f"{origin.netloc}: {error} ({error.flags})", host=origin.netloc)


def without_userinfo(url: str) -> str:
    """Return the URL of a proxy without user name and password, for messages."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def map_error(
    error: Exception, origin: Origin, proxy: str | None = None, *, after_handshake: bool = False
) -> NetworkError:
    """Return the error to raise for ``error``; see `ErrorMapping`."""
    import ssl

    where = f"{origin.netloc}" + (f" (through proxy {without_userinfo(proxy)})" if proxy else "")
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateNotTrusted(
            f"{where}: certificate not trusted: {verification_reason(error)}; "
            "give its authority with --cert-dir (copy: --src-cert-dir, --dest-cert-dir)",
            host=origin.netloc,
        )
    if after_handshake and isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
        # In TLS 1.3 a server refuses a client's certificate when the handshake is over for the client, and the
        # alert may be lost with the connection.
        reason = "the connection was closed before an answer came; the server may want a client certificate"
        return HandshakeFailed(f"{where}: TLS: {reason}", host=origin.netloc)
    if isinstance(error, ssl.SSLError):
        return _map_tls_error(error, where, origin)
    if isinstance(error, socket.gaierror):
        final = error.errno != socket.EAI_AGAIN
        return ConnectionFailed(f"{where}: no such host", host=origin.netloc, temporary=not final)
    if isinstance(error, TimeoutError):
        return ConnectionFailed(f"{where}: connecting timed out", host=origin.netloc)
    if isinstance(error, OSError):
        return ConnectionFailed(f"{where}: {(error.strerror or str(error)).lower()}", host=origin.netloc)
    if isinstance(error, InvalidResponse):
        message = f"{where}: not a valid HTTP answer: {error}"
        return ConnectionFailed(message, host=origin.netloc, temporary=not error.final)
    return ConnectionFailed(f"{where}: {type(error).__name__}: {ascii(str(error))[:100]}", host=origin.netloc)


def verification_reason(error: ssl.SSLCertVerificationError) -> str:
    """Return why a certificate is not trusted, with skopeo's words where its authority is not known."""
    reason = error.verify_message or error.reason or str(error)
    is_unknown = getattr(error, "verify_code", 0) in _UNKNOWN_AUTHORITY  # not set where no certificate came
    return f"certificate signed by unknown authority ({reason})" if is_unknown else reason


def tls_reason(error: ssl.SSLError) -> str:
    """Return why TLS failed: OpenSSL's reason, and skopeo's words for it where scripts look for them."""
    reason = _openssl_reason(error)
    return f"{_SKOPEO_WORDS[reason]} ({reason})" if reason in _SKOPEO_WORDS else reason


def _openssl_reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()


def _map_tls_error(error: ssl.SSLError, where: str, origin: Origin) -> NetworkError:
    import ssl

    reason = _openssl_reason(error)
    if reason in _NOT_TLS:
        reason = (
            "server gave HTTP response to HTTPS client; for plain http give --tls-verify=false "
            "(copy: --src-tls-verify=false, --dest-tls-verify=false)"
        )
        return ConnectionFailed(f"{where}: {reason}", host=origin.netloc, temporary=False)
    # A connection that just ends may have any cause; all other reasons come from the TLS peer.
    unknown = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or reason in _LOCAL_REASONS
    permanent = any(words in reason for words in _PERMANENT_REASONS)
    kind = ConnectionFailed if unknown else HandshakeFailed
    return kind(f"{where}: TLS: {tls_reason(error)}", host=origin.netloc, temporary=not permanent)
