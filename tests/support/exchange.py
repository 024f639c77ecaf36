"""One request as it came, and one answer with the way it is to be delivered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qs, urlsplit

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came. ``received`` is `time.monotonic`; ``connection`` numbers the connections.

    ``length`` bytes of a body came, ``cut`` when that is not all; ``body`` has them where they were kept.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    connection: int
    received: float
    length: int = 0
    cut: bool = False

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The target's query."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method in ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer, and how to deliver it.

    ``declared`` is the Content-Length told when it is not that of ``body``. ``cut_at`` and
    ``stall_at`` count bytes of the body. ``start`` and ``whole`` say which part ``body`` is of what.
    ``prelude`` is sent before the head. ``flood`` is sent in place of everything: its first part, then the second one
    without end, with ``pause`` seconds after each.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    framing: Literal["length", "chunked", "close"] = "length"
    declared: int | None = None
    cut_at: int | None = None
    reset: bool = False
    stall_at: int | None = None
    piece: int = 65536
    pause: float = 0.0
    delay: float = 0.0
    dropped: bool = False
    endless: bool = False
    whole: bytes | None = None
    start: int = 0
    prelude: bytes = b""
    flood: tuple[bytes, bytes] | None = None

    def with_header(self, name: str, value: str | None) -> Response:
        """This response with one header set, or taken away by None."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=others if value is None else (*others, (name, value)))
