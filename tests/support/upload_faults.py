"""What can go wrong while a registry takes a body: faults for requests, beside those for answers (`faults`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from .exchange import Headers, Request, Response
from .faults import Challenge, Fault, Redirect, Refuse
from .intake import Manner


@runtime_checkable
class BodyFault(Protocol):
    """A fault that is also in how the body of the request is read."""

    def manner(self, request: Request, manner: Manner) -> Manner:
        """How to read it."""
        ...


class _Answered:
    """Leaves the answer as it is."""

    __slots__ = ()

    def apply(self, request: Request, response: Response) -> Response:
        """Nothing."""
        return response


@dataclass(frozen=True, slots=True)
class CutUpload(_Answered):
    """Close the connection after ``at`` bytes of the request's body; ``lose`` forgets the upload with it."""

    at: int
    reset: bool = False
    lose: bool = False

    def manner(self, request: Request, manner: Manner) -> Manner:
        """Up to there."""
        return replace(manner, stop_at=self.at, then="close", reset=self.reset)


@dataclass(frozen=True, slots=True)
class StallUpload(_Answered):
    """Read ``at`` bytes of the request's body, then nothing, and say nothing, until the client goes away."""

    at: int = 0

    def manner(self, request: Request, manner: Manner) -> Manner:
        """Up to there."""
        return replace(manner, stop_at=self.at, then="stall")


@dataclass(frozen=True, slots=True)
class DripUpload(_Answered):
    """Read the request's body in pieces of ``piece`` bytes, with ``pause`` seconds after each."""

    piece: int
    pause: float

    def manner(self, request: Request, manner: Manner) -> Manner:
        """Slowly."""
        return replace(manner, piece=self.piece, pause=self.pause)


@dataclass(frozen=True, slots=True)
class Lost:
    """The upload is unknown from now on: 404, as after a restart of the registry."""

    def apply(self, request: Request, response: Response) -> Response:
        """Never heard of it."""
        body = b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}'
        return Refuse(404, body=body).apply(request, response)


@dataclass(frozen=True, slots=True)
class Early:
    """Answer with a refusal after ``at`` bytes of the body, leave the rest unread and close the connection.

    With ``linger`` the client gets to read the answer, as from a server that closes with care; without
    it a RST may take the answer back. ``over`` touches only bodies that are longer than that.
    """

    status: int
    at: int = 0
    linger: bool = True
    over: int | None = None
    headers: Headers = ()
    body: bytes = b'{"errors":[{"code":"DENIED","message":"the simulator has seen enough"}]}'

    def manner(self, request: Request, manner: Manner) -> Manner:
        """Up to there."""
        return replace(manner, stop_at=self.at, then="answer", linger=self.linger) if self.concerns(request) else manner

    def concerns(self, request: Request) -> bool:
        """Whether the body is one that is meant; of one in chunks the length is not known, and it is."""
        length = request.header("Content-Length")
        return self.over is None or length is None or int(length) > self.over

    def apply(self, request: Request, response: Response) -> Response:
        """The refusal."""
        if not self.concerns(request):
            return response
        return Refuse(self.status, body=self.body, headers=self.headers).apply(request, response)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Send the client to another origin with the same path: ``https://HOST``; only the Location changes."""

    origin: str

    def apply(self, request: Request, response: Response) -> Response:
        """Another host."""
        location = next((value for name, value in response.headers if name == "Location"), None)
        if location is None:
            return response
        parts = urlsplit(location)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return response.with_header("Location", self.origin + path)


@dataclass(frozen=True, slots=True)
class Bare:
    """The answer without any header of its own, and with another status when told."""

    status: int | None = None

    def apply(self, request: Request, response: Response) -> Response:
        """Nothing but the status."""
        return replace(response, headers=(), status=self.status or response.status)


def loses(fault: Fault, *, cut: bool) -> bool:
    """Whether the upload is forgotten with it; ``cut`` says that it has come to the cutting."""
    return isinstance(fault, Lost) or (cut and isinstance(fault, CutUpload) and fault.lose)


def prevents(fault: Fault, request: Request) -> bool:
    """Whether the request has no effect: it is refused, not answered badly."""
    if isinstance(fault, Challenge):
        return not (fault.unless_authorized and request.header("Authorization"))
    if isinstance(fault, Early):
        return fault.concerns(request)
    return isinstance(fault, (Refuse, Redirect, Lost))
