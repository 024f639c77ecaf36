"""Requests and responses, as the transport and everything above it have them.

The names are those of httpx, whose values are made of these only where httpx sends a request: see `httpx_adapter`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..fast_dataclass import dataclass
from ..streams.pump import MemoryReader
from .headers import Headers
from .streamed_body import StreamedBody

if TYPE_CHECKING:
    from ..streams.byte_streams import ByteReader
    from .locality import Locality
    from .origin import Origin
    from .time_limits import DocumentDeadline, ResponseTimeouts


@dataclass(frozen=True, slots=True)
class Route:
    """The key of the connection pool: requests of one route may use the same connection.

    Addresses more local than ``reach`` are refused, so these connections are kept apart; None allows all.
    """

    origin: Origin
    reach: Locality | None = None


class Request:
    """A request to send. ``target`` is the path with the query; ``headers`` are complete, with ``Host``.

    ``timeouts`` are for its response; None are the connector's ``response_timeout`` and ``stall_timeout``.
    """

    __slots__ = ("body", "headers", "method", "route", "target", "timeouts")

    def __init__(
        self,
        method: str,
        route: Route,
        target: str,
        headers: Collection[tuple[str, str]],
        body: bytes | StreamedBody = b"",
        *,
        timeouts: ResponseTimeouts | None = None,
    ) -> None:
        self.method, self.route, self.target, self.headers = method, route, target, headers
        self.body, self.timeouts = body, timeouts

    @property
    def url(self) -> str:
        """The URL that is requested."""
        return f"{self.route.origin}{self.target}"

    @property
    def body_incomplete(self) -> bool:
        """Whether the body has not been sent completely."""
        return isinstance(self.body, StreamedBody) and not self.body.complete


class Body(Protocol):
    """The body of a response, which is read by one of `read` and ``reader``."""

    @property
    def reader(self) -> ByteReader:
        """A blocking reader of the body, for worker threads."""
        ...

    async def read(self, limit: int, deadline: DocumentDeadline) -> tuple[bytes, bool]:
        """Return the body, or more than ``limit`` bytes of it, and whether that came before ``deadline``.

        Raises `NetworkError`.
        """
        ...

    async def aclose(self) -> None:
        """Release the connection; the rest of the body is not read."""
        ...


class HeldBody:
    """A body that was read together with the head of its response."""

    __slots__ = ("content",)

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    @property
    def reader(self) -> ByteReader:
        return MemoryReader(self.content)

    async def read(self, limit: int, deadline: DocumentDeadline) -> tuple[bytes, bool]:
        return self.content, True

    async def aclose(self) -> None:
        pass


_NO_HEADERS = Headers()
# Seconds: a stall timeout and a response timeout.
_TIME_LIMITS = (60.0, 300.0)


class Response:
    """The head of a response, and its ``body``. To be closed after use.

    ``peer`` is the IP address of the server, "" if it is not known. ``url`` is the one that was requested.
    ``time_limits`` are the stall timeout and the response timeout for the body, in seconds. With
    ``ends_with_connection`` a body that was cut short cannot be told from a complete one.
    """

    __slots__ = ("body", "ends_with_connection", "headers", "peer", "status_code", "time_limits", "url")

    def __init__(
        self,
        status_code: int,
        headers: Headers = _NO_HEADERS,
        body: Body | None = None,
        *,
        peer: str = "",
        time_limits: tuple[float, float] = _TIME_LIMITS,
        ends_with_connection: bool = False,
    ) -> None:
        self.status_code, self.headers, self.peer = status_code, headers, peer
        self.body: Body = HeldBody() if body is None else body
        self.time_limits, self.ends_with_connection = time_limits, ends_with_connection
        self.url = ""

    @property
    def reader(self) -> ByteReader:
        """A blocking reader of the body, for worker threads."""
        return self.body.reader

    async def aclose(self) -> None:
        """Release the connection; what has not been read of the body is dropped."""
        await self.body.aclose()


SendRequest: TypeAlias = Callable[[Request], Awaitable[Response]]
"""Sends a request and returns its response; raises `NetworkError`."""
