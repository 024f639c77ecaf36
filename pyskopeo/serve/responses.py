"""HTTP responses of a registry: JSON, errors, pages of lists, and ranges of files."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from io import FileIO
from typing import TYPE_CHECKING, Any, Final

from ..errors import ContentMismatch, PyskopeoError, RegistryError, StorageFailed, TooLarge, Unsupported, first_error
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.digest import Digest
from ..storage.files import storage_errors
from ..streams.pump import BUFFER_SIZE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from ..model.descriptor import Descriptor

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PAGE_SIZE = 3 * 1024 * 1024
# Bytes that are read at once, in less time than it takes to have a thread do it.
_SMALL = 128 * 1024
# An extension of ASGI; see `fast_protocol`.
SEND_FILE: Final = "http.response.zerocopysend"
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
# The longest page of tags or repositories; there is a Link to the next one.
MAX_NAMES = 10_000
VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}


@dataclass(frozen=True, slots=True)
class Stream:
    """A response with a ``part`` of a file, which is read in worker threads and closed afterwards."""

    file: FileIO
    part: range
    status: int
    headers: Mapping[str, str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def respond() -> None:
            pairs = [(key.lower().encode(), value.encode()) for key, value in self.headers.items()]
            await send({"type": "http.response.start", "status": self.status, "headers": pairs})
            await self._send_body(scope, send)

        with self.file:
            await while_connected(receive, respond)

    async def _send_body(self, scope: Scope, send: Send) -> None:
        """Send the part: inside the kernel, if it is large and the server can do that."""
        from anyio import to_thread

        if len(self.part) <= _SMALL:
            body = self._read(self.part.start, self.part.stop)
            await send({"type": "http.response.body", "body": body})
            return
        if SEND_FILE in scope.get("extensions", ()):
            offset, count = self.part.start, len(self.part)
            await send({"type": SEND_FILE, "file": self.file, "offset": offset, "count": count, "more_body": False})
            return
        for start in self.part[::BUFFER_SIZE]:
            end = min(start + BUFFER_SIZE, self.part.stop)
            # The server may use the bytes after send() has returned, so no buffer is reused.
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


async def while_connected(receive: Receive, respond: Callable[[], Awaitable[None]]) -> None:
    """Send a response by ``respond``, which is cancelled when the client disconnects; raises what it raises."""
    from anyio import create_task_group

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    with first_error():
        async with create_task_group() as tasks:
            tasks.start_soon(watch)
            await respond()
            tasks.cancel_scope.cancel()


def is_not_modified(request: Request, headers: Mapping[str, str]) -> bool:
    """Return whether If-None-Match contains the ETag of the response (RFC 9110, section 13.1.2)."""
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return bool(known & {"*", headers.get("ETag")})


def content_headers(digest: Digest, media_type: str) -> dict[str, str]:
    """Return the headers of a manifest or blob."""
    return {"Content-Type": media_type, "Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}


def reply(request: Request, status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    """Return a response; without its body for HEAD, and a 304 if the client has the content."""
    from starlette.responses import Response

    sent = {**VERSION, "Content-Length": str(len(body)), **headers}
    if status == 200 and is_not_modified(request, headers):
        status, body = 304, b""
        del sent["Content-Length"], sent["Content-Type"]
    return Response(b"" if request.method == "HEAD" else body, status, sent)


def json_reply(request: Request, value: object, status: int = 200, headers: Mapping[str, str] = VERSION) -> Response:
    """Return a response with a JSON document."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return reply(request, status, body, {"Content-Type": "application/json", **headers})


def requested_page(request: Request) -> tuple[str, int]:
    """Return ``last`` and ``n`` of a request for a list ("Listing Tags"), the latter limited; raises a refusal."""
    count = request.query_params.get("n")
    if count is not None and not _COUNT.fullmatch(count):
        raise refusal(400, "UNSUPPORTED", f"n is {ascii(count)[:40]}, want a number")
    return request.query_params.get("last", ""), min(MAX_NAMES, MAX_NAMES if count is None else int(count))


def page_reply(
    request: Request, value: dict[str, object], key: str, names: Sequence[str], *,
    more: bool, more_headers: Mapping[str, str] = VERSION,
) -> Response:  # fmt: skip
    """Return a page of ``names``, with a Link to the next one if there are ``more``; ``more_headers`` are sent, too."""
    from urllib.parse import urlencode

    headers = dict(more_headers)
    if names and more:
        kept = {"ns": namespace} if (namespace := request.query_params.get("ns")) is not None else {}
        query = urlencode({"n": len(names), "last": names[-1], **kept})
        headers["Link"] = f'<{request.scope["path"]}?{query}>; rel="next"'
    return json_reply(request, value | {key: names}, headers=headers)


def referrers_reply(
    request: Request, found: Sequence[Descriptor], more_headers: Mapping[str, str] = VERSION
) -> Response:
    """Return the page of referrers after the digest ``last``, of one type if ``artifactType`` asks for that.

    A page is at most 3 MiB, unless its only entry is larger ("Listing Referrers"). ``more_headers`` are sent, too.
    """
    from urllib.parse import urlencode

    headers, query = {**more_headers, "Content-Type": mediatype.OCI_INDEX}, {}
    if wanted := request.query_params.get("artifactType"):
        found = [one for one in found if one.artifact_type == wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
        query["artifactType"] = wanted
    last = request.query_params.get("last", "")
    left = sorted((one for one in found if str(one.digest) > last), key=lambda one: str(one.digest))
    entries: list[dict[str, Any]] = []
    size = 0
    for one in left:
        entry = one.to_json() | ({"artifactType": one.artifact_type} if one.artifact_type else {})
        size += len(json.dumps(entry))
        if entries and size > _PAGE_SIZE:
            query["last"] = str(entries[-1]["digest"])
            headers["Link"] = f'<{request.scope["path"]}?{urlencode(query)}>; rel="next"'
            break
        entries.append(entry)
    document = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": entries}
    return json_reply(request, document, headers=headers)


def error_reply(
    request: Request, status: int, code: str, message: str, headers: Mapping[str, str] = VERSION, *,
    detail: object = None,
) -> Response:  # fmt: skip
    """Return an error response (distribution specification, "Error Codes")."""
    return json_reply(request, {"errors": [{"code": code, "message": message, "detail": detail}]}, status, headers)


def refusal(status: int, code: str, message: str, *, retry_after: float | None = None) -> RegistryError:
    """Return the error that an endpoint raises to be answered with `error_reply`; ``retry_after`` is in seconds."""
    return RegistryError(message, status=status, codes=(code,), retry_after=retry_after)


def storage_refusal(error: PyskopeoError) -> RegistryError:
    """Return the refusal for content that cannot be stored; 507 if there is no room for it."""
    is_full = isinstance(error, TooLarge) or (isinstance(error, StorageFailed) and error.errno in _FULL)
    return refusal(507 if is_full else 500, "UNKNOWN", f"it cannot be stored: {reason(error)}")


def reason(error: PyskopeoError) -> str:
    """Return the reason of an error for clients, without the server's paths."""
    if isinstance(error, StorageFailed):
        return os.strerror(error.errno) if error.errno else "it cannot be read"
    if isinstance(error, ContentMismatch):
        return "its content is not what its digest and size say"
    return f"over the limit of {error.limit} bytes" if isinstance(error, TooLarge) else str(error)


def missing_extra() -> Unsupported:
    """Return the error for missing dependencies."""
    return Unsupported("serving a layout needs uvicorn and starlette: pip install 'pyskopeo[serve]'")
