"""Send requests by httpx: by a caller's own client, or by a transport of httpx where there is none of ours.

Requests and responses are converted to and from those of httpx here, and its errors to ours. Nothing else knows httpx,
and an ordinary command does not import it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from ..errors import ConnectionFailed
from .headers import Headers
from .httpx_import import httpx
from .loop_bridge import run_in_loop
from .messages import Request, Response, SendRequest
from .request_body import RequestBody

if TYPE_CHECKING:
    from .limited_stream import HTTPXSend
    from .rate_limit import RateLimits
    from .time_limits import DocumentDeadline


class Limits(Protocol):
    """Timeouts in seconds, and rate limits: those of `access.Network`, and of a `Connector`."""

    @property
    def connect_timeout(self) -> float: ...
    @property
    def stall_timeout(self) -> float: ...
    @property
    def response_timeout(self) -> float: ...
    @property
    def rate_limits(self) -> RateLimits | None: ...


def client_sender(client: httpx.AsyncClient, limits: Limits, name: str = "") -> SendRequest:
    """Return what sends requests by a caller's client; see `HTTPXSender`."""
    send = partial(client.send, stream=True, auth=None, follow_redirects=False)
    return HTTPXSender(send, limits, name).send


class HTTPXSender:
    """Sends requests by ``send``, a function of httpx. `send` is a `SendRequest`.

    ``limits`` hold for each request and its response. ``name`` begins the messages of errors, "" for the host of the
    request.
    """

    def __init__(self, send: HTTPXSend, limits: Limits, name: str = "") -> None:
        self._send, self._limits, self._name = send, limits, name
        if limits.rate_limits is not None:
            from .limited_stream import limited

            self._send = limited(send, limits.rate_limits)

    async def send(self, request: Request) -> Response:
        """Send the request and return the response, whose body is read later.

        Raises what the function of httpx does, `ConnectionFailed` for a `TransportError`.
        """
        limits = self._limits
        timeout = httpx.Timeout(
            limits.stall_timeout, connect=limits.connect_timeout, read=limits.response_timeout
        ).as_dict()
        # A transport that a caller has brought may heed ``reach``, too.
        extensions = {"reach": request.route.reach, "timeout": timeout}
        streamed = isinstance(request.body, RequestBody)
        sent = httpx.Request(
            request.method, request.url, headers=list(request.headers), extensions=extensions,
            content=None if streamed else request.body or None,  # type: ignore[arg-type]
            stream=_RequestStream(request.body) if isinstance(request.body, RequestBody) else None,
        )  # fmt: skip
        try:
            received = await self._send(sent)
        except httpx.TransportError as error:
            where = request.route.origin.netloc
            raise ConnectionFailed(f"{self._name or where}: {_reason(error)}", host=where) from error
        timeout["read"] = limits.stall_timeout  # from now on it is that of the body
        return Response(
            received.status_code,
            Headers(received.headers.raw),
            _ResponseBody(received),
            peer=received.extensions.get("peer") or "",
            time_limits=(limits.stall_timeout, limits.response_timeout),
        )


class _RequestStream(httpx.AsyncByteStream):
    """A `RequestBody` as a stream of httpx."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.pieces()


class _ResponseBody:
    """The body of a response of httpx. As a blocking reader it reads through the event loop."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces: AsyncIterator[bytes] | None = None
        self._left = memoryview(b"")

    @property
    def reader(self) -> _ResponseBody:
        return self

    def readinto(self, buffer: memoryview) -> int:
        """Read some bytes in a worker thread and return their number; 0 at the end. Raises `ConnectionFailed`."""
        while not len(self._left):
            piece = run_in_loop(self._next)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    async def _next(self) -> bytes | None:
        if self._pieces is None:
            self._pieces = self._response.aiter_raw()
        try:
            return await anext(self._pieces, None)
        except httpx.TransportError as error:
            raise ConnectionFailed(f"connection lost: {_reason(error)}") from error

    async def read(self, limit: int, deadline: DocumentDeadline) -> tuple[bytes, bool]:
        """Return the body, or more than ``limit`` bytes of it, and whether that came before ``deadline``."""
        from anyio import move_on_after

        body = bytearray()
        async with aclosing(cast("AsyncGenerator[bytes, None]", self._response.aiter_raw())) as self._pieces:
            while len(body) <= limit:
                with move_on_after(deadline.left(len(body))) as scope:
                    piece = await self._next()
                if scope.cancelled_caught:
                    return bytes(body), False
                if not piece:
                    break
                body += piece
        return bytes(body), True

    async def aclose(self) -> None:
        """Close the response."""
        await self._response.aclose()


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
