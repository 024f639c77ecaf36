"""What all calls do with a registry's responses: close them, check their digest, turn refusals into errors."""

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
    """Close ``response`` at the end, read or not."""
    try:
        yield
    finally:
        await response.aclose()


async def refused(session: Session, response: httpx.Response, what: str) -> PyskopeoError:
    """Return the error for a refusal; its body is read up to the limit for errors."""
    async with closing(response):
        body = await read_bounded(response, error_response.LIMIT, what, cut=True)
    return await session.explain(response, body, what)


async def head_manifest(session: Session, path: str, what: str) -> Digest | None:
    """HEAD a manifest: its digest, None if the registry does not state it. Raises `RegistryError` for a refusal."""
    response = await session.request("HEAD", path, {"Accept": ", ".join(mediatype.ACCEPT)})
    async with closing(response):
        if response.status_code != 200:
            raise await session.explain(response, b"", what)
        return stated_digest(response)


def as_digest(name: str) -> Digest | None:
    """Return ``name`` as a digest; None for a tag."""
    try:
        return Digest.parse(name)
    except InvalidDigest:
        return None


def stated_digest(response: httpx.Response) -> Digest | None:
    """Return ``Docker-Content-Digest``, None without it; raises `InvalidDigest`."""
    header = response.headers.get("docker-content-digest")
    return Digest.parse(header) if header else None


def check_stated_digest(response: httpx.Response, raw: bytes, what: str) -> None:
    """Raises `ContentMismatch` if the registry states another digest than that of the bytes ``raw``."""
    stated = stated_digest(response)
    if stated is None:
        return
    try:
        actual = Digest.of(raw, stated.algorithm)
        if stated != actual and content_digest(raw, stated.algorithm) != stated:
            raise mismatch(what, stated, actual)
    except Unsupported:  # an algorithm we do not know proves nothing
        return


def mismatch(what: str, stated: Digest, actual: Digest) -> ContentMismatch:
    """Return the error for a registry that states another digest than the bytes have."""
    message = f"{what}: Docker-Content-Digest says {stated}, the bytes are {actual}"
    return ContentMismatch(message, expected=str(stated), actual=str(actual))
