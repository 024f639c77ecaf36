"""What all calls do with a registry's answers: close them, read their digest, make errors of refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidDigest, PyskopeoError, Unsupported
from ..http.httpx_import import httpx
from ..http.read_bounded import read_bounded
from ..model import mediatype
from ..model.content_digest import content_digest
from ..model.digest import Digest
from . import error_response

if TYPE_CHECKING:
    from .session import Session


@asynccontextmanager
async def closing(response: httpx.Response) -> AsyncIterator[None]:
    """Close ``response`` in the end, read or not."""
    try:
        yield
    finally:
        await response.aclose()


async def refused(session: Session, response: httpx.Response, what: str) -> PyskopeoError:
    """The error for a refusal, whose body is read as far as it is worth."""
    async with closing(response):
        body = await read_bounded(response, error_response.LIMIT, what, cut=True)
    return await session.explain(response, body, what)


async def head_manifest(session: Session, path: str, what: str) -> Digest | None:
    """HEAD a manifest: its digest, None when the registry does not state it; any refusal is raised."""
    response = await session.request("HEAD", path, {"Accept": ", ".join(mediatype.ACCEPT)})
    async with closing(response):
        if response.status_code != 200:
            raise await session.explain(response, b"", what)
        return stated_digest(response)


def as_digest(name: str) -> Digest | None:
    """The digest ``name`` is; a tag is none."""
    try:
        return Digest.parse(name)
    except InvalidDigest:
        return None


def stated_digest(response: httpx.Response) -> Digest | None:
    """``Docker-Content-Digest``; raises `InvalidDigest` for one that is none."""
    header = response.headers.get("docker-content-digest")
    return Digest.parse(header) if header else None


def check_stated_digest(response: httpx.Response, raw: bytes, what: str) -> None:
    """Raises `ContentMismatch` when the registry calls the bytes ``raw`` by another digest than theirs."""
    stated = stated_digest(response)
    if stated is None:
        return
    try:
        actual = Digest.of(raw, stated.algorithm)
        if stated != actual and content_digest(raw, stated.algorithm) != stated:
            raise mismatch(what, stated, actual)
    except Unsupported:  # an algorithm we do not know says nothing, for or against
        return


def mismatch(what: str, stated: Digest, actual: Digest) -> ContentMismatch:
    """The error for a registry that calls bytes by another digest than theirs."""
    message = f"{what}: Docker-Content-Digest says {stated}, the bytes are {actual}"
    return ContentMismatch(message, expected=str(stated), actual=str(actual))
