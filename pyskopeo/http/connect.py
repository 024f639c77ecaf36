"""Sockets: names resolved, addresses checked, TLS, proxies, Unix sockets. Blocking; runs in worker threads."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..errors import NetworkError, UnsafeAddress, Unsupported
from ..fast_dataclass import dataclass
from ..streams.cancellation import Cancelled, check_cancelled, on_cancel
from .error_mapping import ErrorMapping, without_userinfo
from .exchange import shut
from .origin import Origin, is_public

if TYPE_CHECKING:
    import ssl

# Seconds between two attempts at a Unix socket whose backlog is full; nothing signals when that changes.
_BACKLOG_PAUSE = 0.05
_ERRORS = ErrorMapping()


def no_proxy(origin: Origin) -> None:
    """The ``proxy`` of a `Connector` that connects directly to every origin."""


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """The path of a Unix domain socket that a server listens at."""

    path: str


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections. ``context`` gives the TLS settings for an origin, ``proxy`` its proxy or None.

    ``connect_timeout`` bounds connecting and the handshake, ``stall_timeout`` every single read or
    write after that; both in seconds. ``target`` is where all connections go, whatever origin is asked
    for; None: to that origin. ``errors`` gives the errors to raise for those of sockets and TLS.
    """

    context: Callable[[Origin], ssl.SSLContext]
    proxy: Callable[[Origin], str | None]
    connect_timeout: float = 30.0
    stall_timeout: float = 60.0
    target: Origin | UnixSocket | None = None
    errors: ErrorMapping = _ERRORS

    def open(self, origin: Origin, *, public_only: bool) -> http.client.HTTPConnection:
        """Connect; raises `ConnectionFailed`, `CertificateNotTrusted`, `UnsafeAddress` or `Cancelled`.

        ``public_only`` refuses addresses that are not public: for wherever a registry on the
        internet sends us. Through a proxy only literal addresses can be checked. Cancelling
        wakes it, but not while the system resolves a name.
        """
        if isinstance(self.target, UnixSocket):
            return self._open_unix(self.target, origin)
        origin = self.target or origin
        proxy = self.proxy(origin)
        if proxy and public_only:
            refuse_literal(origin)
        try:
            connection = self._connection(origin, proxy)
        except http.client.InvalidURL as error:
            raise self.errors.connecting(error, origin, proxy) from error
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
            raise self.errors.connecting(error, origin, proxy) from error
        return connection

    def _open_unix(self, target: UnixSocket, origin: Origin) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(origin.host, origin.port)
        try:
            connection.sock = _connect_unix(target.path, self.connect_timeout)
        except OSError as error:
            raise self.errors.connecting(error, origin) from error
        connection.sock.settimeout(self.stall_timeout)
        return connection

    def _connection(self, origin: Origin, proxy: str | None) -> http.client.HTTPConnection:
        at = Origin.of(without_userinfo(proxy)) if proxy else origin
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
