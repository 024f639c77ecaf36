"""Proxies our own transport does not speak to: SOCKS, and proxies reached by TLS. httpx does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from ..errors import Unsupported
from .connect import refuse_literal
from .httpx_import import httpx
from .origin import Origin

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from .transport import Wire


class Router:
    """Sends each request by our transport, or through httpx's where the proxy asks for it."""

    def __init__(
        self, wire: Wire, proxy: Callable[[Origin], str | None], context: Callable[[Origin], ssl.SSLContext]
    ) -> None:
        self._wire, self._proxy, self._context = wire, proxy, context
        self._transports: dict[tuple[str, ssl.SSLContext], httpx.AsyncHTTPTransport] = {}

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Raises pyskopeo's errors, or httpx's `TransportError` where httpx sends."""
        origin = Origin.of(str(request.url))
        proxy = self._proxy(origin)
        if proxy is None or proxy.startswith("http://"):
            return await self._wire.handle_async_request(request)
        if request.extensions.get("public_only"):
            refuse_literal(origin)
        return await self._transport(proxy, self._context(origin)).handle_async_request(request)

    def _transport(self, proxy: str, context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
        key = (proxy, context)
        if key not in self._transports:
            parts = urlsplit(proxy)
            shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            try:
                self._transports[key] = httpx.AsyncHTTPTransport(verify=context, proxy=proxy)
            except ImportError:
                raise Unsupported(f"proxy {shown} needs socksio: pip install 'pyskopeo[socks]'") from None
            except ValueError:
                raise Unsupported(f"proxy {shown}: want http://, https:// or socks5://") from None
        return self._transports[key]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.aclose()
        for transport in self._transports.values():
            await transport.aclose()
