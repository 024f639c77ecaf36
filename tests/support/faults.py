"""What can go wrong with an answer: each fault turns an honest `Response` into another.

Faults are values. They compose: those set for one path are applied in the order they were set, so
``Chunked()`` then ``Cut(100)`` is a chunked body cut in the middle of a chunk.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from .exchange import Headers, Request, Response


class Fault(Protocol):
    """One way to spoil an answer."""

    def apply(self, request: Request, response: Response) -> Response:
        """The spoilt answer."""
        ...


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection after ``at`` bytes of this answer's body; ``reset`` closes it with a RST."""

    at: int
    reset: bool = False

    def apply(self, request: Request, response: Response) -> Response:
        """Cut."""
        return replace(response, cut_at=self.at, reset=self.reset) if self.at < len(response.body) else response


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without a word."""

    reset: bool = False

    def apply(self, request: Request, response: Response) -> Response:
        """Say nothing."""
        return replace(response, dropped=True, reset=self.reset)


@dataclass(frozen=True, slots=True)
class Stall:
    """Send the head and ``at`` bytes of the body, then nothing until the client goes away."""

    at: int = 0

    def apply(self, request: Request, response: Response) -> Response:
        """Stall."""
        return replace(response, stall_at=self.at)


@dataclass(frozen=True, slots=True)
class Drip:
    """Send the body in pieces of ``piece`` bytes, with ``pause`` seconds after each."""

    piece: int
    pause: float

    def apply(self, request: Request, response: Response) -> Response:
        """Send slowly."""
        return replace(response, piece=self.piece, pause=self.pause)


@dataclass(frozen=True, slots=True)
class Delay:
    """Think for so many seconds before the answer."""

    seconds: float

    def apply(self, request: Request, response: Response) -> Response:
        """Answer late."""
        return replace(response, delay=self.seconds)


@dataclass(frozen=True, slots=True)
class Before:
    """Send ``data`` before the answer: interim answers, or an empty line."""

    data: bytes

    def apply(self, request: Request, response: Response) -> Response:
        """Something first."""
        return replace(response, prelude=self.data)


@dataclass(frozen=True, slots=True)
class Flood:
    """Send ``start``, then ``piece`` without end, with ``pause`` seconds after each, until the client goes away."""

    start: bytes
    piece: bytes
    pause: float = 0.0

    def apply(self, request: Request, response: Response) -> Response:
        """No answer, ever."""
        return replace(response, flood=(self.start, self.piece), pause=self.pause)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error. ``retry_after``: seconds, a moment (sent as an HTTP date), or any text."""

    status: int
    retry_after: int | dt.datetime | str | None = None
    body: bytes = b'{"errors":[{"code":"UNKNOWN","message":"the simulator refuses"}]}'
    content_type: str = "application/json"
    headers: Headers = ()

    def apply(self, request: Request, response: Response) -> Response:
        """Refuse."""
        headers = (("Content-Type", self.content_type), *self.headers)
        if isinstance(self.retry_after, dt.datetime):
            headers += (("Retry-After", email.utils.format_datetime(self.retry_after.astimezone(dt.UTC), usegmt=True)),)
        elif self.retry_after is not None:
            headers += (("Retry-After", str(self.retry_after)),)
        return Response(self.status, headers, self.body)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Answer 401 with these ``WWW-Authenticate`` headers; only to requests without Authorization when so told."""

    challenges: tuple[str, ...]
    unless_authorized: bool = False
    status: int = 401

    def apply(self, request: Request, response: Response) -> Response:
        """Ask who it is."""
        if self.unless_authorized and request.header("Authorization"):
            return response
        headers = tuple(("WWW-Authenticate", challenge) for challenge in self.challenges)
        return Refuse(self.status, headers=headers).apply(request, response)


@dataclass(frozen=True, slots=True)
class Flip:
    """Change one byte of the content, ``at`` bytes from its start (from its end when negative)."""

    at: int = 0

    def apply(self, request: Request, response: Response) -> Response:
        """Spoil a byte, in whichever part of the content is asked for."""
        whole = response.whole if response.whole is not None else response.body
        position = (self.at if self.at >= 0 else len(whole) + self.at) - response.start
        if not 0 <= position < len(response.body):
            return response
        body = bytearray(response.body)
        body[position] ^= 0x01
        return replace(response, body=bytes(body))


@dataclass(frozen=True, slots=True)
class Body:
    """Answer with other content, with its own true length."""

    content: bytes

    def apply(self, request: Request, response: Response) -> Response:
        """Other content."""
        return replace(response, body=self.content, whole=self.content)


@dataclass(frozen=True, slots=True)
class Short:
    """Leave out the last ``by`` bytes; Content-Length agrees with what is sent."""

    by: int = 1

    def apply(self, request: Request, response: Response) -> Response:
        """A shorter body."""
        return replace(response, body=response.body[: len(response.body) - self.by])


@dataclass(frozen=True, slots=True)
class Long:
    """Send ``by`` bytes too many; Content-Length agrees with what is sent, unless ``agreeing`` is False."""

    by: int = 1
    agreeing: bool = True

    def apply(self, request: Request, response: Response) -> Response:
        """A longer body."""
        declared = None if self.agreeing else len(response.body)
        return replace(response, body=response.body + b"x" * self.by, declared=declared)


@dataclass(frozen=True, slots=True)
class Padded:
    """Blanks after the content, up to ``size`` bytes: JSON that is valid and too large."""

    size: int

    def apply(self, request: Request, response: Response) -> Response:
        """A large body."""
        return replace(response, body=response.body.ljust(self.size))


@dataclass(frozen=True, slots=True)
class Endless:
    """Send the content over and over, chunked, until the client goes away (or a gigabyte is sent)."""

    def apply(self, request: Request, response: Response) -> Response:
        """A body without end."""
        return replace(response, body=response.body or b" " * 65536, framing="chunked", endless=True)


@dataclass(frozen=True, slots=True)
class Chunked:
    """Send the body in chunks of ``piece`` bytes, without Content-Length."""

    piece: int = 4096

    def apply(self, request: Request, response: Response) -> Response:
        """Chunks."""
        return replace(response, framing="chunked", piece=self.piece)


@dataclass(frozen=True, slots=True)
class UntilClose:
    """Neither Content-Length nor chunks: the body ends with the connection."""

    def apply(self, request: Request, response: Response) -> Response:
        """A body that ends with the connection."""
        return replace(response, framing="close")


@dataclass(frozen=True, slots=True)
class Gzipped:
    """Compress the answer and say so in Content-Encoding, whatever the client accepts."""

    def apply(self, request: Request, response: Response) -> Response:
        """Content-Encoding: gzip."""
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        body = packer.compress(response.body) + packer.flush()
        return replace(response, body=body).with_header("Content-Encoding", "gzip")


@dataclass(frozen=True, slots=True)
class SetHeaders:
    """Set these headers, or take away those that are None."""

    headers: Mapping[str, str | None] = field(default_factory=dict)

    def apply(self, request: Request, response: Response) -> Response:
        """Other headers."""
        for name, value in self.headers.items():
            response = response.with_header(name, value)
        return response


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the client to ``to``; ``{name}`` in it is the last part of the path asked for (a digest, a tag)."""

    to: str
    status: int = 307

    def apply(self, request: Request, response: Response) -> Response:
        """Go elsewhere."""
        name = request.path.rpartition("/")[2]
        return Response(self.status, (("Location", self.to.replace("{name}", name)),), b"<a href=elsewhere>moved</a>")


RangeMode = Literal[
    "ignored",  # 200 with everything
    "refused-400",
    "refused-403",
    "refused-416",  # 416 with Content-Range: bytes */size
    "without-content-range",  # 206 with the right bytes
    "wrong-start",  # Content-Range says an earlier start; the bytes are the right ones
    "wrong-total",
    "from-zero",  # 206 whose Content-Range and bytes begin at 0
    "one-byte",  # 206, right, and only one byte of what was asked
    "multipart",  # 206 multipart/byteranges
]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Answer requests that have a Range header in this way; others are not touched."""

    mode: RangeMode

    def apply(self, request: Request, response: Response) -> Response:
        """A strange answer to Range."""
        if request.header("Range") is None or response.whole is None or response.status != 206:
            return response
        whole, start, total = response.whole, response.start, len(response.whole)
        end = start + len(response.body) - 1
        if self.mode == "ignored":
            return replace(response, status=200, body=whole, start=0).with_header("Content-Range", None)
        if self.mode == "refused-416":
            return Refuse(416, headers=(("Content-Range", f"bytes */{total}"),)).apply(request, response)
        if self.mode in ("refused-400", "refused-403"):
            return Refuse(int(self.mode[-3:])).apply(request, response)
        if self.mode == "without-content-range":
            return response.with_header("Content-Range", None)
        if self.mode == "wrong-start":
            return response.with_header("Content-Range", f"bytes {max(0, start - 1)}-{end}/{total}")
        if self.mode == "wrong-total":
            return response.with_header("Content-Range", f"bytes {start}-{end}/{total + 1}")
        if self.mode == "from-zero":
            return replace(response, body=whole, start=0).with_header("Content-Range", f"bytes 0-{total - 1}/{total}")
        if self.mode == "one-byte":
            return replace(response, body=whole[start : start + 1]).with_header(
                "Content-Range", f"bytes {start}-{start}/{total}"
            )
        part = b"--x\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s\r\n--x--\r\n" % (start, end, total, response.body)
        multipart = replace(response, body=part).with_header("Content-Range", None)
        return multipart.with_header("Content-Type", "multipart/byteranges; boundary=x")


class Only:
    """A fault for those who have shown who they are."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def apply(self, request: Request, response: Response) -> Response:
        return self.fault.apply(request, response) if request.header("Authorization") else response
