"""Send a request to a token server ("Token Authentication Specification" of the distribution project)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..errors import AccessDenied, PyskopeoError, UnsafeAddress
from ..http.messages import Response
from ..http.origin import Origin
from ..http.read_bounded import read_bounded
from . import error_response
from .challenge import TOKEN_LIMIT, TokenRequest
from .redirects import follow_redirects


class Client(Protocol):
    """What is needed of `registry.session.Session`."""

    def warn_once(self, message: str, key: str = "") -> None:
        """Report a warning, unless it was reported before."""
        ...

    async def send_elsewhere(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Response:
        """Send a request to a URL that the registry gave."""
        ...

    async def response_error(
        self, response: Response, body: bytes, what: str, *, got_credentials: bool = False
    ) -> PyskopeoError:
        """Return the error for an error response with ``body``."""
        ...


async def fetch_token(client: Client, request: TokenRequest, what: str, *, insecure: bool) -> bytes:
    """Send ``request``, follow redirects, and return the body of the response; ``what`` begins the messages of errors.

    A redirect of a request with credentials is followed within its origin only, and from http to https at the same
    host; without credentials to other servers, too. With ``insecure`` these may use plain http. The method is kept,
    since the credentials may be in the body. Not retried. Raises `NetworkError` and `InvalidContent`.
    """
    first = current = Origin.of(request.url)
    if first.scheme == "http" and request.has_secret and not insecure:
        client.warn_once(f"credentials are sent to {first} without TLS, as --trust-realm allows")

    async def send(url: str) -> Response:
        nonlocal current
        target = Origin.of(url)
        if request.has_secret and not _may_have_secret(current, target):
            raise UnsafeAddress(f"{what}: {current} redirects to {target}, which may not have the credentials: refused")
        if target != current and target.scheme != "https" and not insecure:
            raise UnsafeAddress(f"{what}: {current} redirects to plain http ({target}): refused")
        current = target
        return await client.send_elsewhere(request.method, url, request.headers, request.content)

    response = await follow_redirects(request.url, send, str(first))
    refused = response.status_code != 200
    try:
        limit = error_response.LIMIT if refused else TOKEN_LIMIT
        body = await read_bounded(response, limit, what, truncate=refused)
    finally:
        await response.aclose()
    if refused:
        error = await client.response_error(response, body, what, got_credentials=True)
        if isinstance(error, AccessDenied):
            raise error_response.TokenRefused(str(error), status=error.status, codes=error.codes)
        raise error
    return body


def _may_have_secret(origin: Origin, target: Origin) -> bool:
    """Return whether a secret for ``origin`` may be sent to ``target``: the same, or the same host with TLS."""
    if origin == target:
        return True
    with_tls = (origin.scheme, target.scheme) == ("http", "https") and origin.host == target.host
    return with_tls and (origin.port == target.port or (origin.port, target.port) == (80, 443))
