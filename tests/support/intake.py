"""How the body of a request is taken in: at once, slowly, up to some byte; framed by a length or in chunks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from typing import Literal, Protocol

from .exchange import Request, Response

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Manner:
    """How a body is read: ``piece`` bytes at most, with ``pause`` seconds after each, ``stop_at`` bytes in all.

    ``then`` says what comes after the stop: the connection is closed without a word (``reset`` with a RST), or
    nothing is read and nothing said until the client goes away, or the answer is given and the connection closed;
    with ``linger`` only after the client has seen the answer.
    ``stop_at`` None reads it all, and what ``then`` says is not done.
    """

    piece: int = _PIECE
    pause: float = 0.0
    stop_at: int | None = None
    then: Literal["close", "stall", "answer"] = "close"
    reset: bool = False
    linger: bool = False


class Reception(Protocol):
    """What a server does with one request: its body as it comes, then the answer."""

    @property
    def manner(self) -> Manner:
        """How to read the body."""
        ...

    def write(self, piece: bytes) -> object:
        """Some of the body."""
        ...

    def answer(self, request: Request) -> Response:
        """The answer, the body being over; ``request.body`` is what was `kept`."""
        ...

    def kept(self) -> bytes:
        """The body, for the record; nothing of one that is large."""
        ...

    def ended(self, *, cut: bool) -> None:
        """No more will come; called once, before any answer."""
        ...


class Kept:
    """A reception that keeps the body in memory."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.answer = answer
        self.manner = Manner()
        self._body = BytesIO()

    def write(self, piece: bytes) -> object:
        """Keep it."""
        return self._body.write(piece)

    def kept(self) -> bytes:
        """All of it."""
        return self._body.getvalue()

    def ended(self, *, cut: bool) -> None:
        """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How far a body was read: ``length`` bytes; ``whole`` if that was all; ``gone`` when the client broke off."""

    length: int
    whole: bool
    gone: bool = False


def take(
    stream: BufferedIOBase, content_length: str | None, coding: str | None, to: Reception, stopping: threading.Event
) -> Taken:
    """Read a body to its end, or as far as the manner says (RFC 9112 section 6)."""
    manner = to.manner
    pieces = _Chunks(stream) if (coding or "").lower() == "chunked" else _Length(stream, int(content_length or 0))
    taken = 0
    while True:
        room = manner.piece
        if manner.stop_at is not None:
            room = min(room, manner.stop_at - taken)
            if not room and not pieces.over:
                return Taken(taken, whole=False)
        try:
            piece = pieces.read(room)
        except (OSError, ValueError):
            return Taken(taken, whole=False, gone=True)
        if not piece:
            return Taken(taken, pieces.over, gone=not pieces.over)
        taken += len(piece)
        to.write(piece)
        if manner.pause and stopping.wait(manner.pause):
            return Taken(taken, whole=False, gone=True)


class _Length:
    """A body of a known length."""

    def __init__(self, stream: BufferedIOBase, length: int) -> None:
        self._stream, self._left = stream, length

    @property
    def over(self) -> bool:
        return not self._left

    def read(self, most: int) -> bytes:
        piece = self._stream.read1(min(most, self._left)) if self._left else b""
        self._left -= len(piece)
        return piece


class _Chunks:
    """A body in chunks; trailers are read and forgotten."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream, self._left, self.over = stream, 0, False

    def read(self, most: int) -> bytes:
        if self.over:
            return b""
        if not self._left:
            line = self._stream.readline(1024)
            if not line.endswith(b"\r\n"):
                return b""
            self._left = int(line.partition(b";")[0], 16)
            if not self._left:
                while (trailer := self._stream.readline(8192)) not in (b"\r\n", b""):
                    assert trailer.endswith(b"\r\n")
                self.over = True
                return b""
        piece = self._stream.read1(min(most, self._left))
        self._left -= len(piece)
        if not self._left and piece and self._stream.read(2) != b"\r\n":
            raise ValueError("a chunk has another length than it says")
        return piece
