"""Check responses of a registry: read their errors, parse and compare ``Docker-Content-Digest``, close them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from ..errors import ContentMismatch, InvalidDigest, NotFound, PyskopeoError, RegistryError, Unsupported, prefix_errors
from ..http.messages import Response
from ..http.read_bounded import read_bounded
from ..model import mediatype
from ..model.content_digest import content_digest
from ..model.digest import Digest
from . import error_response
from .error_response import TokenRefused

if TYPE_CHECKING:
    from .session import Session


T = TypeVar("T")
# The algorithm of a digest of which only the hex digits are stated, by their number.
_ALGORITHMS = {64: "sha256", 96: "sha384", 128: "sha512"}
# Statuses after which the same question may be answered later. Other errors, 500 and 501 among them, are how some
# registries respond to every HEAD, or to every mount.
_MAY_BE_ANSWERED_LATER = frozenset({408, 425, 429, 502, 503, 504})


@asynccontextmanager
async def closing(response: Response) -> AsyncIterator[None]:
    """Close ``response`` on exit, whether its body has been read or not."""
    try:
        yield
    finally:
        await response.aclose()


async def read_error(session: Session, response: Response, what: str) -> PyskopeoError:
    """Read the body of an error response and return the error to raise; ``what`` describes the request."""
    async with closing(response):
        body = await read_bounded(response, error_response.LIMIT, what, truncate=True)
    return await session.response_error(response, body, what)


async def ask(session: Session, once: Callable[[], Awaitable[T]], what: str) -> T | None:
    """Send a request whose answer is of use, but not needed; None if the registry responds with an error.

    Retries only statuses that may pass. Raises what prevents a response, such as `ConnectionFailed`, and a refusal of
    the token server.
    """

    async def attempt() -> T | None:
        try:
            return await once()
        except NotFound:
            return None
        except TokenRefused:  # the request that is needed would be refused as well
            raise
        except RegistryError as error:
            if error.status in _MAY_BE_ANSWERED_LATER:
                raise
            return None

    try:
        return await session.retry(attempt, what)
    except TokenRefused:
        raise
    except RegistryError:
        return None


async def head_manifest(session: Session, path: str, what: str) -> Digest | None:
    """HEAD a manifest: return its digest, None if the registry does not state it.

    Not retried. Raises `RegistryError` for any status but 200, marked as `retried` if the status will not pass, and
    `NetworkError`.
    """
    response = await session.request("HEAD", path, {"Accept": ", ".join(mediatype.ACCEPT)})
    async with closing(response):
        if response.status_code != 200:
            error = await session.response_error(response, b"", what)
            error.retried = error.retried or response.status_code not in _MAY_BE_ANSWERED_LATER
            raise error
        return stated_digest(response)


def as_digest(name: str) -> Digest | None:
    """Return ``name`` as a digest; None for a tag."""
    try:
        return Digest.parse(name)
    except InvalidDigest:
        return None


def stated_digest(response: Response) -> Digest | None:
    """Return the digest in ``Docker-Content-Digest``, None without one.

    It may be written without its algorithm, in upper case or in quotes, and repeated. Raises `InvalidDigest` for
    anything else.
    """
    values = (value for header in response.headers.get_list("docker-content-digest") for value in header.split(","))
    found = {_parse_stated(value) for value in map(_unquoted, values) if value}
    if len(found) > 1:
        raise InvalidDigest(f"several digests: {', '.join(sorted(map(str, found)))[:200]}")
    return found.pop() if found else None


def _unquoted(value: str) -> str:
    return value.strip(" \t\"'")


def _parse_stated(value: str) -> Digest:
    algorithm, colon, encoded = value.lower().rpartition(":")
    if not colon:
        algorithm = _ALGORITHMS.get(len(encoded), "")
    if algorithm in _ALGORITHMS.values():
        return Digest.parse(f"{algorithm}:{encoded}")
    return Digest.parse(value)


def check_stated_digest(response: Response, raw: bytes, what: str) -> None:
    """Compare the bytes ``raw`` with the digest that the registry states.

    Raises `ContentMismatch` if it is another one, and `InvalidDigest` if it is none.
    """
    with prefix_errors(f"{what}: Docker-Content-Digest", unless=ContentMismatch):
        stated = stated_digest(response)
    if stated is None:
        return
    try:
        actual = Digest.of(raw, stated.algorithm)
        if stated != actual and content_digest(raw, stated.algorithm) != stated:
            raise mismatch(what, stated, actual)
    except Unsupported:  # an unknown algorithm cannot be checked
        return


def mismatch(what: str, stated: Digest, actual: Digest) -> ContentMismatch:
    """Return the error for a registry that states another digest than the bytes have."""
    message = f"{what}: Docker-Content-Digest says {stated}, the bytes are {actual}"
    return ContentMismatch(message, expected=str(stated), actual=str(actual))
