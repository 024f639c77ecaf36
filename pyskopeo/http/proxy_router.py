"""Proxies that our own transport does not speak to, but httpx does: SOCKS, and proxies reached by TLS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import Unsupported
from .connect import refuse_literal
from .httpx_import import httpx
from .origin import Origin

if TYPE_CHECKING:
    import ssl


class ProxyRouter:
    """Sends requests through the proxies that our own transport does not speak to.

    ``context`` returns the TLS settings for an origin.
    """

    def __init__(self, context: Callable[[Origin], ssl.SSLContext]) -> None:
        self._context = context
        self._transports: dict[tuple[str, ssl.SSLContext], httpx.AsyncHTTPTransport] = {}

    @staticmethod
    def serves(proxy: str | None) -> bool:
        """Whether ``proxy``, a URL or None, is one for this class: SOCKS, or reached by TLS."""
        return proxy is not None and not proxy.startswith("http://")

    async def send(self, request: httpx.Request, origin: Origin, proxy: str) -> httpx.Response:
        """Send a request for ``origin`` through ``proxy``.

        Raises `UnsafeAddress`, `Unsupported` for a proxy that httpx does not speak to either, and httpx's
        `TransportError`.
        """
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

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()
