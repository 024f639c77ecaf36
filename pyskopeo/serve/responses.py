"""Answers of a read-only registry: JSON, errors, pages, and parts of files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from io import FileIO
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, PyskopeoError, RegistryError, StorageFailed, TooLarge, Unsupported
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..storage.files import storage_errors
from ..streams.pump import BUFFER_SIZE
from .catalog import order

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

_RANGE = re.compile(r"bytes=([0-9]{0,99})-([0-9]{0,99})", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}


@dataclass(frozen=True, slots=True)
class Stream:
    """Part of a file as an answer, read in worker threads; closes the file."""

    file: FileIO
    part: range
    status: int
    headers: Mapping[str, str]

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        from anyio import create_task_group

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        with self.file:
            async with create_task_group() as tasks:
                tasks.start_soon(watch)
                pairs = [(key.lower().encode(), value.encode()) for key, value in self.headers.items()]
                await send({"type": "http.response.start", "status": self.status, "headers": pairs})
                await self._send_body(send)
                tasks.cancel_scope.cancel()

    async def _send_body(self, send: Send) -> None:
        from anyio import to_thread

        for start in self.part[::BUFFER_SIZE]:
            end = min(start + BUFFER_SIZE, self.part.stop)
            # The server may keep the piece after send returns, so no buffer is reused here.
            piece = await to_thread.run_sync(self._read, start, end)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _read(self, start: int, end: int) -> bytes:
        pieces = []
        with storage_errors("reading a blob"):
            while start < end:
                piece = os.pread(self.file.fileno(), end - start, start)
                if not piece:
                    raise StorageFailed(f"a blob became shorter while it was sent: it ends after {start} bytes")
                pieces.append(piece)
                start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def byte_range(header: str, size: int) -> range | None:
    """The bytes a Range header asks for, by RFC 9110 section 14; empty if there are none of them.

    None, for everything, where the header may be ignored: other units, several ranges, bad syntax;
    and for empty content, of which no part can be named.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not size or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return range(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return range(min(int(first), size), min(int(last) + 1, size) if last else size)


def asked_range(request: Request, headers: Mapping[str, str], size: int) -> range | None:
    asked = request.headers.getlist("range")
    if len(asked) != 1 or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return None
    return byte_range(asked[0], size)


def is_known(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether If-None-Match names what would be sent."""
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return bool(known & {"*", headers.get("ETag")})


def content_headers(digest: Digest, media_type: str) -> dict[str, str]:
    return {"Content-Type": media_type, "Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}


def reply(request: Request, status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    from starlette.responses import Response

    sent = {**VERSION, "Content-Length": str(len(body)), **headers}
    if status == 200 and is_known(request, headers):
        status, body = 304, b""
        del sent["Content-Length"], sent["Content-Type"]
    return Response(b"" if request.method == "HEAD" else body, status, sent)


def json_reply(request: Request, value: object, status: int = 200, headers: Mapping[str, str] = VERSION) -> Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    return reply(request, status, body, {"Content-Type": "application/json", **headers})


def page_reply(request: Request, value: dict[str, object], key: str, names: Sequence[str]) -> Response:
    """The part of ``names`` that ``n`` and ``last`` ask for, and a Link to the next."""
    from urllib.parse import urlencode

    if last := request.query_params.get("last"):
        names = [name for name in names if order(name) > order(last)]
    count, headers = request.query_params.get("n"), {}
    if count is not None:
        if not _COUNT.fullmatch(count):
            raise refusal(400, "PAGINATION_NUMBER_INVALID", f"n is {ascii(count)[:40]}, want a number")
        page = names[: int(count)]
        if page and len(page) < len(names):
            query = urlencode({"n": len(page), "last": page[-1]})
            headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
        names = page
    return json_reply(request, value | {key: names}, headers=headers)


def error_reply(
    request: Request, status: int, code: str, message: str, headers: Mapping[str, str] = VERSION
) -> Response:
    return json_reply(request, {"errors": [{"code": code, "message": message, "detail": None}]}, status, headers)


def refusal(status: int, code: str, message: str) -> RegistryError:
    return RegistryError(message, status=status, codes=(code,))


def reason(error: PyskopeoError) -> str:
    """Why, without the server's own paths and other content: those are nobody's business across a network."""
    if isinstance(error, StorageFailed):
        return os.strerror(error.errno) if error.errno else "it cannot be read"
    if isinstance(error, ContentMismatch):
        return "its content is not what its digest and size say"
    return f"over the limit of {error.limit} bytes" if isinstance(error, TooLarge) else str(error)


def missing_extra() -> Unsupported:
    return Unsupported("serving a layout needs uvicorn and starlette: pip install 'pyskopeo[serve]'")
