"""The ASGI application: which endpoint answers a request, and how errors are answered."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import InvalidName, NotFound, PyskopeoError, RegistryError
from ..model.events import Event, Warned, ignore
from ..model.layout import LAYOUT_FILE, check_layout_file
from ..storage.blob_links import is_registry_layout
from ..storage.files import read_bounded
from ..storage.registry_storage import RegistryStorage
from .bodies import drain
from .catalog import is_repository
from .content import LayoutContent, RegistryContent
from .paths import parse_path
from .reading import ReadingEndpoints
from .registry_content import StoredContent
from .responses import VERSION, error_reply, missing_extra, reason
from .writing import WritingEndpoints

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from .paths import RegistryPath

    Endpoint: TypeAlias = Callable[[Request, RegistryPath], Awaitable[Any]]

_READING = ("GET", "HEAD")
_BETWEEN_WARNINGS = 60.0  # seconds


def application(
    layout: Path, repository: str | None = None, *, writable: bool = False, store: bool = False,
    max_blob: int | None = None, report: Callable[[Event], None] = ignore,
) -> RegistryApp:  # fmt: skip
    """Return an ASGI application that serves the image layout at ``layout``.

    ``repository`` is the only repository that is served; None serves any name. With ``writable`` it takes pushes: the
    layout is made if it is missing, and consists of repositories from then on; blobs have up to ``max_blob`` bytes.
    With ``store`` it is a content store, which always consists of repositories: ``docker.io/library/NAME``. ``report``
    gets warnings about what cannot be read or stored, one a minute.
    Raises `Unsupported` if the extra ``serve`` is not installed, `NotFound` or `InvalidContent` if ``layout`` is not an
    image layout, `StorageFailed`, `DestinationRefused` with ``writable`` for a directory with other files, and
    `InvalidName` for an invalid ``repository``.
    """
    if repository is not None and not is_repository(repository):
        raise InvalidName(f"invalid repository name {repository!a}")
    layout = layout.absolute()
    storage = RegistryStorage(layout, is_store=store)
    if writable:
        storage.create()
    marker = layout / LAYOUT_FILE
    try:
        check_layout_file(read_bounded(marker, 1024 * 1024), str(marker))
    except NotFound as error:
        raise NotFound(f"{error}; with --writable a layout is made") from None
    content: RegistryContent = LayoutContent(layout, repository)
    if store or is_registry_layout(layout):
        content = StoredContent(storage, repository)
    writing = WritingEndpoints(storage, max_blob=max_blob) if writable else None
    return RegistryApp(content, writing, root=layout, report=report)


class RegistryApp:
    """The registry over some ``content``; with ``writing`` it takes pushes and deletions, too.

    ``root`` is the directory of the content, which clients are not told; ``report`` gets warnings, one a minute.
    A middleware may set `MAY` (`scope_keys`) in the scope. It is asked about repositories that are not in the path.
    """

    def __init__(
        self, content: RegistryContent, writing: WritingEndpoints | None = None, *, root: Path | None = None,
        report: Callable[[Event], None] = ignore,
    ) -> None:  # fmt: skip
        try:
            from starlette.requests import Request
        except ImportError:
            raise missing_extra() from None
        self._request = Request
        self._read_only, self._root, self._content = writing is None, root, content
        self._report, self._warned = report, -_BETWEEN_WARNINGS
        self._endpoints = _endpoints(ReadingEndpoints(content), writing)

    async def check(self) -> None:
        """Read the index, as a request does; raises `InvalidContent`, `TooLarge` and `StorageFailed`."""
        with suppress(RegistryError):
            await self._content.tags("any", "", 1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.requests import ClientDisconnect

        if scope["type"] != "http":
            return
        request = self._request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except PyskopeoError as error:
            with suppress(ClientDisconnect):
                await drain(request)
            response = self._error_answer(request, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Any:
        path = parse_path(request.scope["path"])
        found = self._endpoints.get(path.kind, {}) if path is not None else {}
        endpoint = found.get(request.method)
        if endpoint is not None and path is not None:
            return await endpoint(request, path)
        await drain(request)
        if request.method in _READING:
            return error_reply(request, 404, "UNSUPPORTED", "this registry has no such endpoint")
        if self._read_only:
            message = "this registry is read-only: it serves an image layout and takes no changes"
            return error_reply(request, 405, "UNSUPPORTED", message, {"Allow": ", ".join(_READING)})
        if not found:
            return error_reply(request, 404, "UNSUPPORTED", "this registry has no such endpoint")
        message = f"this endpoint does not have the method {ascii(request.method)[1:-1][:20]}"
        return error_reply(request, 405, "UNSUPPORTED", message, {"Allow": ", ".join(found)})

    def _error_answer(self, request: Request, error: PyskopeoError) -> Any:
        if not isinstance(error, RegistryError) or error.status >= 500:
            self._warn(str(error))
        if isinstance(error, RegistryError):
            headers = VERSION if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
            return error_reply(request, error.status, error.codes[0], str(error), headers)
        why = reason(error)
        if self._root is not None:
            why = why.replace(f"{self._root}/", "")
        return error_reply(request, 500, "UNKNOWN", f"the layout cannot be read: {why}")

    def _warn(self, message: str) -> None:
        """Tell the one who runs the server, but not for each request."""
        if time.monotonic() - self._warned >= _BETWEEN_WARNINGS:
            self._warned = time.monotonic()
            self._report(Warned(message))


def _endpoints(reading: ReadingEndpoints, writing: WritingEndpoints | None) -> Mapping[str, dict[str, Endpoint]]:
    found: dict[str, dict[str, Endpoint]] = {
        "base": dict.fromkeys(_READING, reading.base),
        "catalog": dict.fromkeys(_READING, reading.catalog),
        "tags": dict.fromkeys(_READING, reading.tags),
        "manifests": dict.fromkeys(_READING, reading.manifest),
        "blobs": dict.fromkeys(_READING, reading.blob),
        "referrers": dict.fromkeys(_READING, reading.referrers),
    }
    if writing is not None:
        found["manifests"] |= {"PUT": writing.put_manifest, "DELETE": writing.delete_manifest}
        found["blobs"] |= {"DELETE": writing.delete_blob}
        found["uploads"] = {"POST": writing.begin_upload}
        found["upload"] = {
            "GET": writing.upload_status, "HEAD": writing.upload_status, "PATCH": writing.append_chunk,
            "PUT": writing.finish_upload, "DELETE": writing.cancel_upload,
        }  # fmt: skip
    return found
