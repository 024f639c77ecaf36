"""Requests and responses, as the transport and everything above it have them.

The names are those of httpx, whose values are made of these only where httpx sends a request: see `httpx_adapter`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from ..fast_dataclass import dataclass
from ..streams.pump import MemoryReader
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


@dataclass(frozen=True, slots=True)
class Request:
    """A request to send. ``target`` is the path with the query; ``headers`` are complete, with ``Host``.

    ``timeouts`` are for its response; None are the connector's ``response_timeout`` and ``stall_timeout``.
    """

    method: str
    route: Route
    target: str
    headers: Collection[tuple[str, str]]
    body: bytes | StreamedBody = b""
    timeouts: ResponseTimeouts | None = None

    @property
    def url(self) -> str:
        """The URL that is requested."""
        return f"{self.route.origin}{self.target}"

    @property
    def body_incomplete(self) -> bool:
        """Whether the body has not been sent completely."""
        return isinstance(self.body, StreamedBody) and not self.body.complete


class Headers(Mapping[str, str]):
    """The header fields of a response; names are compared without regard to case.

    As a mapping it has the values of each name, joined by commas (RFC 9110 section 5.3). Names are in lower case when
    it is iterated over. Text is ASCII, otherwise UTF-8 if all values are, otherwise ISO 8859-1.
    """

    __slots__ = ("_encoding", "_values")

    def __init__(self, fields: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in fields:
            self._values.setdefault(name.lower(), []).append(value)
        self._encoding = ""

    @classmethod
    def of(cls, fields: Mapping[str, str] | Iterable[tuple[str, str]]) -> Self:
        """Return header fields that are given as text."""
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        return cls((name.encode("ascii"), value.encode()) for name, value in pairs)

    def get_list(self, name: str) -> list[str]:
        """Return the values of all fields with a name, in order."""
        return [self._text(value) for value in self._values.get(_key(name), ())]

    def __getitem__(self, name: str) -> str:
        return ", ".join(map(self._text, self._values[_key(name)]))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._values

    def __iter__(self) -> Iterator[str]:
        return (name.decode("ascii") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _text(self, value: bytes) -> str:
        if value.isascii():
            return value.decode("ascii")
        if not self._encoding:
            self._encoding = "utf-8" if all(map(_is_utf8, chain(*self._values.values()))) else "iso-8859-1"
        return value.decode(self._encoding)


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


def _key(name: str) -> bytes:
    return name.lower().encode("ascii", "replace")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
