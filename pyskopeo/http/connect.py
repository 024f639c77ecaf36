"""Open connections: name resolution, address checks, TLS, proxies, Unix sockets. Blocking; runs in worker threads.

A proxy is used as RFC 9110 section 7.3.2 (absolute URLs) and section 9.3.6 (CONNECT) say.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import cache, partial
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ..errors import PyskopeoError, UnsafeAddress, Unsupported
from ..fast_dataclass import dataclass
from ..streams.cancellation import Cancelled, check_cancelled, on_cancel
from .connection import Connection
from .error_mapping import ErrorMapping, without_userinfo
from .exchange import shutdown_socket
from .locality import Locality, locality, locality_of_host
from .origin import Origin
from .printable import to_printable
from .request_head import encode_head
from .response_head import InvalidResponse

if TYPE_CHECKING:
    import ssl

    from .rate_limit import RateLimits

# Seconds between two attempts to connect to a Unix socket whose backlog is full; the kernel does not signal room in it.
_BACKLOG_PAUSE = 0.05
# Seconds without a sign of life from the server, seconds between two questions for one, and their number.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 5}
_ERRORS = ErrorMapping()


def no_proxy(origin: Origin) -> None:
    """Return no proxy for any origin: the ``proxy`` of a `Connector` that always connects directly."""


def connects_through(proxy: str | None) -> bool:
    """Return whether a `Connector` connects through ``proxy``, a URL; None is no proxy. Others are for httpx."""
    return proxy is None or proxy.startswith("http://")


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """The path of a Unix domain socket on which a server listens."""

    path: str


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections. ``context`` returns the TLS settings for an origin, ``proxy`` the URL of its proxy or None.

    ``connect_timeout`` limits connecting, the TLS handshake included; after that ``stall_timeout`` limits each read
    and each write, and ``response_timeout`` the wait for a response to begin. All are in seconds. With ``target``
    every connection goes there, whatever the origin of the request; with None it goes to the origin. ``errors`` maps
    errors of sockets and TLS to those that are raised. ``rate_limits`` hold for what is sent and received, but not
    through a Unix socket, which has no bandwidth to share.
    """

    context: Callable[[Origin], ssl.SSLContext]
    proxy: Callable[[Origin], str | None]
    connect_timeout: float = 30.0
    stall_timeout: float = 60.0
    response_timeout: float = 300.0
    target: Origin | UnixSocket | None = None
    errors: ErrorMapping = _ERRORS
    rate_limits: RateLimits | None = None

    def open(self, origin: Origin, *, reach: Locality | None = None, connect_first: bool = False) -> Connection:
        """Connect to ``origin`` and return the connection, after the TLS handshake for https.

        Addresses that are more local than ``reach`` are refused; None allows all. It is for URLs that a registry
        gives. The names that a proxy resolves cannot be checked, only literal addresses. With ``connect_first`` the TLS
        settings are made after connecting, so that something can be wrong with them then. A cancellation interrupts
        it, but not while the system resolves a name. Raises `UnsafeAddress`, `Cancelled`, `Unsupported` for an
        https proxy, and the errors of `ErrorMapping.connect_error`.
        """
        if isinstance(self.target, UnixSocket):
            return self._open_unix(self.target, origin)
        origin = self.target or origin
        proxy = self.proxy(origin)
        if proxy:
            check_literal_address(origin, reach)
        context = cache(partial(self.context, origin))
        if origin.scheme == "https" and not connect_first:
            context()
        at = _proxy_origin(proxy) if proxy else origin
        connect = partial(self._connected, at, origin, context, proxy=proxy, reach=None if proxy else reach)
        try:
            try:
                connection = connect()
            except _AuthoritiesLoaded:
                connection = connect()
        except (PyskopeoError, Cancelled):
            raise
        except Exception as error:
            raise self.errors.connect_error(error, origin, proxy) from error
        if self.rate_limits is not None:
            connection.limits = self.rate_limits.of_host(origin.host)
        return connection

    def _connected(
        self, at: Origin, origin: Origin, context: Callable[[], ssl.SSLContext], *,
        proxy: str | None, reach: Locality | None,
    ) -> Connection:  # fmt: skip
        """Connect to ``at``, the origin or its proxy.

        Raises the errors of sockets and of TLS, and `_AuthoritiesLoaded`.
        """
        uses_tls = origin.scheme == "https"
        with ExitStack() as stack:
            with ConnectAttempt() as attempt:
                # The address that was checked is the one that is used: a name may resolve differently the
                # second time (DNS rebinding).
                sock = _connect((at.host, at.port), self.connect_timeout, attempt=attempt, reach=reach)
                connection = stack.enter_context(closing(Connection(sock)))
                _set_options(sock)
                if proxy and uses_tls:
                    _open_tunnel(connection, origin, proxy, self.connect_timeout)
            if uses_tls:
                settings = context()
                sock.settimeout(self.connect_timeout)
                _start_tls(connection, settings, origin.host)
            stack.pop_all()
        return connection

    def _open_unix(self, target: UnixSocket, origin: Origin) -> Connection:
        try:
            return Connection(_connect_unix(target.path, self.connect_timeout))
        except OSError as error:
            raise self.errors.connect_error(error, origin) from error


def _set_options(sock: socket.socket) -> None:
    """Send small requests at once, and notice a server that is gone during a long wait for its response."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _proxy_origin(proxy: str) -> Origin:
    found = Origin.of(without_userinfo(proxy))
    if found.scheme == "https":
        raise Unsupported(f"proxy {found}: only http:// proxies are supported")
    return found


def _open_tunnel(connection: Connection, origin: Origin, proxy: str, timeout: float) -> None:
    """Have ``proxy`` connect to ``origin`` (RFC 9110 section 9.3.6); raises `OSError` if it refuses."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    target = f"{host}:{origin.port}"
    headers = {"Host": target, **_proxy_headers(proxy)}
    connection.send(encode_head("CONNECT", target, headers.items()))
    head = connection.read_head(timeout, timeout)
    if not 200 <= head.status < 300:
        raise OSError(f"Tunnel connection failed: {head.status} {to_printable(head.reason)}")
    if connection.received:
        raise InvalidResponse("bytes from the proxy before those of the server")


class _AuthoritiesLoaded(Exception):
    """A server was not trusted, and more authorities are loaded now: connecting again may succeed."""


def _start_tls(connection: Connection, context: ssl.SSLContext, host: str) -> None:
    """Replace the connection's socket by one that speaks TLS to ``host``, after the handshake.

    Raises `_AuthoritiesLoaded` where not all authorities were loaded when it began.
    """
    import ssl

    from .client_context import completed, is_complete

    had_all = is_complete(context)
    connection.sock = context.wrap_socket(
        connection.sock, server_hostname=_encoded(host), do_handshake_on_connect=False
    )
    # A cancellation while the socket is being wrapped is not acted on: it would never be closed.
    with on_cancel(partial(shutdown_socket, connection.sock)):
        try:
            connection.sock.do_handshake()
        except ssl.SSLCertVerificationError:
            if had_all:
                raise
            completed(context)
            raise _AuthoritiesLoaded from None


def request_target(origin: Origin, proxy: str | None, target: str) -> tuple[str, dict[str, str]]:
    """Return the request target (RFC 9112 section 3.2) and the headers to add for a proxy.

    A request for plain http goes through a proxy in absolute form, one for https through a tunnel.
    """
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


class ConnectAttempt(ExitStack):
    """Interrupts connecting, a proxy's tunnel included, when the running thread's work is cancelled."""

    def begin(self, sock: socket.socket) -> None:
        """Watch ``sock``, which is about to connect, in place of the socket before; raises `Cancelled`."""
        self.close()
        # A duplicate: the socket is closed after a failure, and by TLS, which takes over its file descriptor.
        duplicate = self.enter_context(sock.dup())
        self.enter_context(on_cancel(partial(shutdown_socket, duplicate)))


def _connect(
    address: tuple[str, int], timeout: float, *, attempt: ConnectAttempt, reach: Locality | None
) -> socket.socket:
    host, port = address
    failure: OSError | None = None
    for family, kind, protocol, _, found in socket.getaddrinfo(_encoded(host), port, 0, socket.SOCK_STREAM):
        if reach is not None and (where := locality(str(found[0]))) > reach:
            raise UnsafeAddress(f"{host} is at {found[0]}, {where}, and a registry sent us there: refused")
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


def _encoded(host: str) -> str | bytes:
    """Return a host as `socket` and `ssl` encode one of ASCII, which would load the codec for others to do that."""
    labels = host.removesuffix(".").split(".")
    return host.encode("ascii") if host.isascii() and all(0 < len(label) < 64 for label in labels) else host


def _connect_unix(path: str, timeout: float) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + timeout
    try:
        opened.settimeout(timeout)
        while True:
            check_cancelled()
            try:
                opened.connect(path)
            except BlockingIOError:  # the backlog is full
                if time.monotonic() > deadline:
                    raise TimeoutError from None
                time.sleep(_BACKLOG_PAUSE)
            else:
                return opened
    except BaseException:
        opened.close()
        raise


def check_literal_address(origin: Origin, reach: Locality | None) -> None:
    """Raise `UnsafeAddress` if the host is a literal address, or ``localhost``, that is more local than ``reach``.

    For connections through a proxy: the names that it resolves cannot be checked. None allows all.
    """
    where = locality_of_host(origin.host)
    if reach is not None and where is not None and where > reach:
        raise UnsafeAddress(f"{origin} is {where}, and a registry sent us there: refused")
