"""https or plain http: found out by asking, where plain http is allowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError
from ..http.httpx_import import httpx
from ..http.origin import Origin


async def find_scheme(host: str, ask: Callable[[str], Awaitable[httpx.Response]]) -> str:
    """``https`` where ``host``, with or without a port, answers to that, else ``http``.

    ``ask`` gets a URL and raises `NetworkError`. Raises `HandshakeFailed` where the one who answers speaks TLS,
    and not with us: what would be said to plain http is no explanation then.
    """
    secure, plain = f"https://{host}/v2/", f"http://{host}/v2/"
    try:
        response = await ask(secure)
    except HandshakeFailed as error:
        # There is no plain http at the same port; at its own there may be.
        if Origin.of(secure).port == Origin.of(plain).port:
            raise
        try:
            response = await ask(plain)
        except NetworkError:
            raise error from None
        found = "http"
    except (ConnectionFailed, CertificateNotTrusted):
        return "http"
    else:
        found = "https"
    await response.aclose()
    return found
