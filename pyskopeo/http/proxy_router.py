"""Requests through proxies that `HTTPTransport` does not support, but httpx does: SOCKS, and proxies behind TLS."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from ..errors import ConnectionFailed, Stalled, Unsupported
from .client_context import completed
from .connect import Connector, check_literal_address
from .error_mapping import without_userinfo
from .httpx_adapter import HTTPXSender
from .httpx_import import httpx
from .messages import Request, Response
from .origin import Origin
from .request_body import RequestBody

if TYPE_CHECKING:
    import ssl

    from .limited_stream import HTTPXSend


class ProxyRouter:
    """Sends requests through SOCKS and https proxies, by one transport of httpx for each proxy.

    TLS settings, timeouts and rate limits are those of ``connector``. The time until the head of a response is complete
    is limited by the timeouts for connecting and for a response together; interim responses, which httpx reads without
    a limit, do not prolong it.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._timeout = connector.connect_timeout + connector.response_timeout
        self._transports: dict[tuple[str, ssl.SSLContext], httpx.AsyncHTTPTransport] = {}

    async def send(self, request: Request, proxy: str) -> Response:
        """Send a request through ``proxy``, and return its response.

        Raises `UnsafeAddress`, `Unsupported` for a proxy that httpx does not support either, `ConnectionFailed`, and
        `Stalled`.
        """
        from anyio import move_on_after

        origin, connector = request.route.origin, self._connector
        check_literal_address(origin, request.route.reach)
        transport = self._transport(proxy, connector.context(origin))
        send = partial(_connected, transport.handle_async_request, origin, proxy)
        sender = HTTPXSender(send, connector)
        if isinstance(request.body, RequestBody):  # sending it may take any time, and has its own limit
            return await sender.send(request)
        with move_on_after(self._timeout):
            return await sender.send(request)
        reason = f"no answer for {self._timeout:g} s (--response-timeout)"
        raise Stalled(f"{origin.netloc}: {reason}", host=origin.netloc)

    def _transport(self, proxy: str, context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
        key = (proxy, context)
        if key not in self._transports:
            shown = without_userinfo(proxy)
            try:
                self._transports[key] = httpx.AsyncHTTPTransport(verify=completed(context), proxy=proxy)
            except ImportError:
                raise Unsupported(f"proxy {shown} needs socksio: pip install 'pyskopeo[socks]'") from None
            except ValueError:
                raise Unsupported(f"proxy {shown}: want http://, https:// or socks5://") from None
        return self._transports[key]

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()


async def _connected(send: HTTPXSend, origin: Origin, proxy: str, request: httpx.Request) -> httpx.Response:
    """Send a request of httpx; raises `ConnectionFailed` if there is no connection through the proxy."""
    try:
        return await send(request)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        message = f"{origin.netloc} (through proxy {without_userinfo(proxy)}): {_reason(error)}"
        raise ConnectionFailed(message, host=origin.netloc) from error


def _reason(error: Exception) -> str:
    """Return why there is no connection: the error of the system, if it is among the causes of httpx's error."""
    import ssl


    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):  # whose errno is not the system's
            return str(cause).lower()
        if isinstance(cause, OSError) and cause.errno and cause.strerror:
            return os.strerror(cause.errno).lower() if cause.errno > 0 else cause.strerror.lower()
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or cause.__context__
    return str(error).lower() or "connecting timed out"
