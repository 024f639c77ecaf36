"""The scheme of a registry, https or plain http: probed where plain http is allowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from ..errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError
from ..http.httpx_import import httpx
from ..http.origin import Origin
from ..streams.concurrency import SingleFlight

if TYPE_CHECKING:
    from ..http.tls import Trust

Get: TypeAlias = Callable[[str], Awaitable[httpx.Response]]


class Schemes:
    """The schemes of registries; each is probed once for all sessions that share an object of this class."""

    def __init__(self) -> None:
        self._found: SingleFlight[tuple[str, Trust], str] = SingleFlight()

    async def get(self, host: str, trust: Trust, get: Get) -> str:
        """Return the scheme of ``host``: https unless ``trust`` allows plain http. Raises as `find_scheme`."""
        if not trust.insecure:
            return "https"
        return await self._found.get((host, trust), partial(find_scheme, host, get))


async def find_scheme(host: str, get: Get) -> str:
    """Return ``https`` if ``host``, with or without a port, answers to that, else ``http``.

    ``get`` sends a GET for a URL and raises `NetworkError`. Raises `HandshakeFailed` if the server speaks TLS
    but refused us: its response to plain http would not be the explanation then.
    """
    secure, plain = f"https://{host}/v2/", f"http://{host}/v2/"
    try:
        response = await get(secure)
    except HandshakeFailed as error:
        # There is no plain http at the same port; at its own there may be.
        if Origin.of(secure).port == Origin.of(plain).port:
            raise
        try:
            response = await get(plain)
        except NetworkError:
            raise error from None
        found = "http"
    except (ConnectionFailed, CertificateNotTrusted):
        return "http"
    else:
        found = "https"
    await response.aclose()
    return found
