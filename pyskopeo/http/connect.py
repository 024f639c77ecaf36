"""Sockets: names resolved, addresses checked, TLS, proxies. Blocking; runs in worker threads."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError, UnsafeAddress, Unsupported
from ..fast_dataclass import dataclass
from ..streams.cancellation import Cancelled, on_cancel
from .exchange import shut
from .origin import Origin, is_public

if TYPE_CHECKING:
    import ssl


# What TLS makes of the first bytes of a server that speaks something else; the versions of OpenSSL differ.
_NOT_TLS = frozenset({
    "wrong version number", "record layer failure", "http request", "https proxy request", "packet length too long",
})  # fmt: skip

# Said before a byte was sent, so of the server nothing is known.
_OURS = frozenset({"no protocols available", "no ciphers available"})
# For these another try is no use.
_DECIDED = (
    "protocol version", "unsupported protocol", "handshake failure", "certificate", "unknown ca", "unrecognized name",
)

@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections. ``context`` gives the TLS settings for an origin, ``proxy`` its proxy or None.

    ``connect_timeout`` bounds connecting and the handshake, ``stall_timeout`` every single read or
    write after that; both in seconds.
    """

    context: Callable[[Origin], ssl.SSLContext]
    proxy: Callable[[Origin], str | None]
    connect_timeout: float = 30.0
    stall_timeout: float = 60.0

    def open(self, origin: Origin, *, public_only: bool) -> http.client.HTTPConnection:
        """Connect; raises `ConnectionFailed`, `CertificateNotTrusted`, `UnsafeAddress` or `Cancelled`.

        ``public_only`` refuses addresses that are not public: for wherever a registry on the
        internet sends us. Through a proxy only literal addresses can be checked. Cancelling
        wakes it, but not while the system resolves a name.
        """
        proxy = self.proxy(origin)
        if proxy and public_only:
            refuse_literal(origin)
        connection = self._connection(origin, proxy)
        try:
            with Attempt() as attempt:
                # The address that was checked must be the one that is used, or a name that resolves
                # differently the second time gets through; http.client's own hook is the place.
                connection._create_connection = partial(  # type: ignore[attr-defined]  # noqa: SLF001
                    _connect, attempt=attempt, public_only=public_only and not proxy
                )
                connection.connect()
            connection.sock.settimeout(self.stall_timeout)
        except (NetworkError, Cancelled):
            connection.close()
            raise
        except Exception as error:
            connection.close()
            raise explain(error, origin, proxy) from error
        return connection

    def _connection(self, origin: Origin, proxy: str | None) -> http.client.HTTPConnection:
        at = Origin.of(_without_userinfo(proxy)) if proxy else origin
        if at.scheme == "https" and proxy:
            raise Unsupported(f"proxy {at}: only http:// proxies are supported")
        connection: http.client.HTTPConnection
        if origin.scheme == "https":
            connection = http.client.HTTPSConnection(
                at.host, at.port, timeout=self.connect_timeout, context=self.context(origin)
            )
        else:
            connection = http.client.HTTPConnection(at.host, at.port, timeout=self.connect_timeout)
        if proxy and origin.scheme == "https":
            connection.set_tunnel(origin.host, origin.port, _proxy_headers(proxy))
        return connection


def proxied_target(origin: Origin, proxy: str | None, target: str) -> tuple[str, dict[str, str]]:
    """The request target and extra headers: plain http goes through a proxy by absolute URL."""
    if not proxy or origin.scheme == "https":
        return target, {}
    return f"{origin}{target}", _proxy_headers(proxy)


def _proxy_headers(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    import base64

    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}


def _without_userinfo(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class Attempt(ExitStack):
    """An attempt to connect, its handshake included, which ends when the running thread's work is cancelled."""

    def begin(self, sock: socket.socket) -> None:
        """``sock`` is about to connect, after the attempt before has failed; raises `Cancelled`."""
        self.close()
        # A duplicate of our own, since TLS takes the descriptor out of the socket it wraps.
        twin = self.enter_context(sock.dup())
        self.enter_context(on_cancel(partial(shut, twin)))


def _connect(
    address: tuple[str, int], timeout: float, _source_address: Any = None, *, attempt: Attempt, public_only: bool
) -> socket.socket:
    host, port = address
    failure: OSError | None = None
    for family, kind, protocol, _, found in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        if public_only and not is_public(str(found[0])):
            raise UnsafeAddress(f"{host} is at {found[0]}, a private address, and a registry sent us there: refused")
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            opened.settimeout(timeout)
            attempt.begin(opened)
            opened.connect(found)
        except OSError as error:
            opened.close()
            failure = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise failure or OSError(f"no address for {host}")


def refuse_literal(origin: Origin) -> None:
    """Raises `UnsafeAddress` for a host written as a private address; names a proxy resolves cannot be checked."""
    host = origin.host.rstrip(".")
    try:
        # The forms that resolvers take for an address, such as 2130706433 and 0x7f.1, are one.
        public = is_public(socket.inet_ntoa(socket.inet_aton(host)) if ":" not in host else host)
    except (OSError, ValueError):
        public = host != "localhost" and not host.endswith(".localhost")
    if not public:
        raise UnsafeAddress(f"{origin} is a private address, and a registry sent us there: refused")


def explain(error: Exception, origin: Origin, proxy: str | None = None, *, greeted: bool = False) -> NetworkError:
    """Our error for whatever sockets, TLS and http.client raise; the message says what to do.

    ``greeted``: a TLS handshake had gone well, and nothing else on that connection.
    """
    import ssl

    where = f"{origin.netloc}" + (f" (through proxy {_without_userinfo(proxy)})" if proxy else "")
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
