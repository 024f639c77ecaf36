"""Errors of sockets, TLS and http.client as errors of this package, whose messages say what to do. Pure."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

from ..errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError, Stalled
from .origin import Origin

# Reasons that TLS gives when the first bytes of a server are another protocol's; the versions of OpenSSL differ.
_NOT_TLS = frozenset({
    "wrong version number", "record layer failure", "http request", "https proxy request", "packet length too long",
})  # fmt: skip

# Found before a byte was sent, so they say nothing about the server.
_OURS = frozenset({"no protocols available", "no ciphers available"})
# These fail again when tried again.
_DECIDED = (
    "protocol version", "unsupported protocol", "handshake failure", "certificate", "unknown ca", "unrecognized name",
)


class ErrorMapping:
    """The errors of one `Connector` and of the transport above it, by the step that failed.

    This one's messages name the host and suit a registry; a server that needs others has a subclass. Each
    method returns the error to raise.
    """

    def connecting(self, error: Exception, origin: Origin, proxy: str | None = None) -> NetworkError:
        """No connection was made: name resolution, the socket, the proxy or the TLS handshake failed."""
        return explain(error, origin, proxy)

    def exchanging(self, error: Exception, origin: Origin, *, greeted: bool = False) -> NetworkError:
        """Sending the request or reading the head of its response failed.

        ``greeted``: the TLS handshake had succeeded, and nothing else on that connection.
        """
        return explain(error, origin, greeted=greeted)

    def reading(self, error: Exception, origin: Origin) -> NetworkError:
        """Reading the body of a response failed."""
        return ConnectionFailed(
            f"{origin.netloc}: connection lost: {str(error) or type(error).__name__}", host=origin.netloc
        )

    def stalled(self, origin: Origin, seconds: float) -> NetworkError:
        """Nothing was read or written for ``seconds``."""
        return Stalled(f"{origin.netloc}: no progress for {seconds:g} s (--stall-timeout)", host=origin.netloc)


def without_userinfo(url: str) -> str:
    """The URL of a proxy as it may be shown: without user name and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def explain(error: Exception, origin: Origin, proxy: str | None = None, *, greeted: bool = False) -> NetworkError:
    """The error to raise for ``error``; see `ErrorMapping`."""
    import ssl

    where = f"{origin.netloc}" + (f" (through proxy {without_userinfo(proxy)})" if proxy else "")
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateNotTrusted(
            f"{where}: certificate not trusted: {error.verify_message or error.reason}; "
            "give its authority with --cert-dir (copy: --src-cert-dir, --dest-cert-dir)",
            host=origin.netloc,
        )
    if greeted and isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
        # A server that wants another certificate says so when for us the handshake is over (TLS 1.3), and
        # what it says may be lost with the connection.
        reason = "the connection was closed before an answer came; the server may want a client certificate"
        return HandshakeFailed(f"{where}: TLS: {reason}", host=origin.netloc)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        if reason in _NOT_TLS:
            reason = (
                "server gave an HTTP response to an HTTPS client; for plain http give --tls-verify=false "
                "(copy: --src-tls-verify=false, --dest-tls-verify=false)"
            )
            return ConnectionFailed(f"{where}: {reason}", host=origin.netloc, temporary=False)
        # A connection that just ends may be anything; any other reason was found in what TLS sends.
        unknown = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or reason in _OURS
        decided = any(words in reason for words in _DECIDED)
        kind = ConnectionFailed if unknown else HandshakeFailed
        return kind(f"{where}: TLS: {reason}", host=origin.netloc, temporary=not decided)
    if isinstance(error, socket.gaierror):
        final = error.errno != socket.EAI_AGAIN
        return ConnectionFailed(f"{where}: no such host", host=origin.netloc, temporary=not final)
    if isinstance(error, http.client.RemoteDisconnected):
        return ConnectionFailed(f"{where}: the connection was closed before an answer came", host=origin.netloc)
    if isinstance(error, TimeoutError):
        return ConnectionFailed(f"{where}: connecting timed out", host=origin.netloc)
    if isinstance(error, OSError) and not isinstance(error, http.client.HTTPException):
        return ConnectionFailed(f"{where}: {(error.strerror or str(error)).lower()}", host=origin.netloc)
    if isinstance(error, http.client.HTTPException):
        detail = str(error) or type(error).__name__
        return ConnectionFailed(f"{where}: not a valid HTTP answer: {ascii(detail)[:100]}", host=origin.netloc)
    return ConnectionFailed(f"{where}: {type(error).__name__}: {ascii(str(error))[:100]}", host=origin.netloc)
