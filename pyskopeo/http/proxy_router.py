"""Requests through proxies that `HTTPTransport` does not support, but httpx does: SOCKS, and proxies behind TLS."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ConnectionFailed, Stalled, Unsupported
from .connect import check_literal_address
from .error_mapping import without_userinfo
from .httpx_import import httpx
from .origin import Origin
from .request_body import RequestBody

if TYPE_CHECKING:
    import ssl

    from .limited_stream import SendRequest
    from .rate_limit import RateLimits


class ProxyRouter:
    """Sends requests through SOCKS and https proxies, by one transport of httpx for each proxy.

    ``context`` returns the TLS settings for an origin. ``timeout`` limits the time until the head of a response is
    complete, in seconds; interim responses, which httpx reads without a limit, do not prolong it. ``rate_limits`` hold
    for what is sent and received.
    """

    def __init__(
        self, context: Callable[[Origin], ssl.SSLContext], timeout: float, rate_limits: RateLimits | None = None
    ) -> None:
        self._context, self._timeout, self._rate_limits = context, timeout, rate_limits
        self._transports: dict[tuple[str, ssl.SSLContext], httpx.AsyncHTTPTransport] = {}

    @staticmethod
    def handles(proxy: str | None) -> bool:
        """Return whether requests through ``proxy``, a URL or None, are sent by this class: all but http:// proxies."""
        return proxy is not None and not proxy.startswith("http://")

    async def send(self, request: httpx.Request, origin: Origin, proxy: str) -> httpx.Response:
        """Send a request for ``origin`` through ``proxy``, and return its response.

        Raises `UnsafeAddress`, `Unsupported` for a proxy that httpx does not support either, `ConnectionFailed` if
        there is no connection through the proxy, `Stalled`, and httpx's `TransportError` for other failures.
        """
        from anyio import move_on_after

        check_literal_address(origin, request.extensions.get("reach"))
        send: SendRequest = self._transport(proxy, self._context(origin)).handle_async_request
        streamed = isinstance(request.stream, RequestBody)
        if self._rate_limits is not None:
            from .limited_stream import limited

            send = limited(send, self._rate_limits)
        try:
            if streamed:  # sending it may take any time, and has its own limit
                return await send(request)
            with move_on_after(self._timeout):
                return await send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            reason = _reason(error)
            message = f"{origin.netloc} (through proxy {without_userinfo(proxy)}): {reason}"
            raise ConnectionFailed(message, host=origin.netloc) from error
        reason = f"no answer for {self._timeout:g} s (--response-timeout)"
        raise Stalled(f"{origin.netloc}: {reason}", host=origin.netloc)

    def _transport(self, proxy: str, context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
        key = (proxy, context)
        if key not in self._transports:
            shown = without_userinfo(proxy)
            try:
                self._transports[key] = httpx.AsyncHTTPTransport(verify=context, proxy=proxy)
            except ImportError:
                raise Unsupported(f"proxy {shown} needs socksio: pip install 'pyskopeo[socks]'") from None
            except ValueError:
                raise Unsupported(f"proxy {shown}: want http://, https:// or socks5://") from None
        return self._transports[key]

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()


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
