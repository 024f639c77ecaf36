"""The ASGI application: routes, and what is answered to each."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import (
    ContentMismatch,
    InvalidContent,
    InvalidDigest,
    InvalidName,
    NotFound,
    PyskopeoError,
    RegistryError,
    StorageFailed,
    Unsupported,
)
from ..model import layout as grammar
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..model.verifier import Verifier
from ..storage.files import FileReader, digest_name, open_regular, read_bounded, storage_errors
from ..streams.cancellation import run_in_thread
from ..streams.pump import pump, uncounted
from .catalog import Catalog, Index, Signature, is_repository, is_tag, signature
from .responses import (
    VERSION,
    Stream,
    asked_range,
    content_headers,
    error_reply,
    is_known,
    json_reply,
    missing_extra,
    page_reply,
    reason,
    refusal,
    reply,
)

if TYPE_CHECKING:

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

# What a path that cannot be a blob's is answered with; no errno is "not a regular file".
_NO_BLOB = (None, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)

def application(layout: Path, repository: str | None = None) -> Starlette:
    """The registry over ``layout`` as an ASGI application.

    ``repository`` is the one name it answers to; any name when it is None. Raises `Unsupported`
    when the extra ``serve`` is not installed, `NotFound` or `InvalidContent` when ``layout`` is not
    an image layout, and `InvalidName` for a bad ``repository``.
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.routing import Route
    except ImportError:
        raise missing_extra() from None

    if repository is not None and not is_repository(repository):
        raise InvalidName(f"invalid repository name {repository!a}")
    marker = layout / grammar.LAYOUT_FILE
    grammar.check_layout_file(read_bounded(marker, 1024 * 1024), str(marker))
    registry = _Registry(layout.absolute(), repository)
    app = Starlette(
        routes=[
            Route("/v2", registry.base),
            Route("/v2/", registry.base),
            Route("/v2/_catalog", registry.catalog),
            Route("/v2/{name:path}/manifests/{reference}", registry.manifest),
            Route("/v2/{name:path}/blobs/{digest}", registry.blob),
            Route("/v2/{name:path}/tags/list", registry.tags),
        ],
        exception_handlers={HTTPException: _on_no_route, PyskopeoError: _on_error},
    )
    app.router.redirect_slashes = False
    return app


class _Registry:
    """The endpoints. Files are read in worker threads, at paths made of parsed digests alone."""

    def __init__(self, layout: Path, repository: str | None) -> None:
        self._blobs = layout / "blobs"
        self._repository = repository
        self._title = repository or (layout.name if is_repository(layout.name) else "image")
        self._index = Index(layout / grammar.INDEX_FILE)
        self._vouched: dict[Digest, Signature] = {}

    async def base(self, request: Request) -> Response:
        return json_reply(request, {})

    async def catalog(self, request: Request) -> Response:
        """One name: every repository is the same, and mirroring the layout once is enough."""
        return page_reply(request, {}, "repositories", [self._title])

    async def tags(self, request: Request) -> Response:
        name = self._name(request)
        return page_reply(request, {"name": name}, "tags", (await self._catalog()).tags_in(name))

    async def manifest(self, request: Request) -> Response:
        from anyio import to_thread

        name, reference = self._name(request), request.path_params["reference"]
        asked = _digest(reference) if ":" in reference else None
        if asked is None and not is_tag(reference):
            raise refusal(400, "TAG_INVALID", f"invalid tag {ascii(reference)[:140]}")
        catalog = await self._catalog()
        digest = asked or catalog.resolve(name, reference)
        if digest is None:
            contested = reference in catalog.contested
            why = "is claimed by several images, pull by digest" if contested else "is not in this layout"
            raise refusal(404, "MANIFEST_UNKNOWN", f"tag {reference} {why}")
        manifest = catalog.made.get(digest)
        if manifest is None:
            manifest = await to_thread.run_sync(self._manifest, digest, catalog)
        return reply(request, 200, manifest.raw, content_headers(digest, manifest.media_type))

    async def blob(self, request: Request) -> Response | Stream:
        from anyio import to_thread

        self._name(request)
        digest = _digest(request.path_params["digest"])
        headers = VERSION | content_headers(digest, "application/octet-stream") | {"Accept-Ranges": "bytes"}
        with ExitStack() as stack:
            file, linked = await to_thread.run_sync(self._open, digest)
            stack.enter_context(file)
            if linked:
                await self._vouch(digest, file)
            size = os.fstat(file.fileno()).st_size
            headers["Content-Length"] = str(size)
            if request.method == "HEAD" or is_known(request, headers):
                return reply(request, 200, b"", headers)
            part = asked_range(request, headers, size)
            if part is None:
                part, status = range(size), 200
            elif part:
                status = 206
                headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
                headers["Content-Length"] = str(len(part))
            else:
                extent = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
                return error_reply(request, 416, "RANGE_INVALID", f"the blob has {size} bytes", extent)
            stack.pop_all()
        return Stream(file, part, status, headers)

    def _name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if not is_repository(name):
            raise refusal(400, "NAME_INVALID", f"invalid repository name {ascii(name)[:300]}")
        if self._repository not in (None, name):
            raise refusal(404, "NAME_UNKNOWN", f"repository {name} is not served here, {self._repository} is")
        return name

    async def _catalog(self) -> Catalog:
        from anyio import to_thread

        try:
            return await to_thread.run_sync(self._index.catalog)
        except NotFound:
            raise refusal(404, "NAME_UNKNOWN", "the layout has no index.json yet") from None

    def _manifest(self, digest: Digest, catalog: Catalog) -> Manifest:
        """A verified manifest; what is no manifest is unknown, unless index.json says it is one."""
        with _unknown("MANIFEST_UNKNOWN", digest):
            try:
                raw = read_bounded(self._blobs / digest_name(digest), MANIFEST_LIMIT)
                return Manifest.parse(raw, content_type=catalog.types.get(digest, ""), expected=digest)
            except (InvalidContent, Unsupported) as error:
                if digest in catalog.types or isinstance(error, ContentMismatch):
                    raise refusal(500, "MANIFEST_INVALID", f"{digest}: {reason(error)}") from error
                raise refusal(404, "MANIFEST_UNKNOWN", f"{digest} is not a manifest") from error

    def _open(self, digest: Digest) -> tuple[FileIO, bool]:
        """The open blob, and whether it is reached through a symbolic link."""
        path = self._blobs / digest_name(digest)
        with _unknown("BLOB_UNKNOWN", digest):
            file = FileIO(open_regular(path))
            try:
                with storage_errors("reading a blob"):
                    return file, not os.path.samestat(path.lstat(), os.fstat(file.fileno()))
            except BaseException:
                file.close()
                raise

    async def _vouch(self, digest: Digest, file: FileIO) -> None:
        """Hash what a link led to, once for each state of it."""
        fd = file.fileno()
        state, size = signature(fd), os.fstat(fd).st_size
        if self._vouched.get(digest) == state:
            return
        try:
            verifier = Verifier(Descriptor("", digest, size))
            reader = FileReader(fd, Path(digest_name(digest)), 0, size)
            await run_in_thread(lambda: pump(reader, _Nowhere(), verifier, uncounted))
        except (ContentMismatch, Unsupported):
            raise refusal(404, "BLOB_UNKNOWN", f"{digest} is a link to other content") from None
        self._vouched[digest] = state


class _Nowhere:
    def write(self, buffer: memoryview) -> None:
        """The bytes were hashed; nothing else is wanted of them."""


@contextmanager
def _unknown(code: str, digest: Digest) -> Iterator[None]:
    """A path that holds no regular file holds no content."""
    try:
        yield
    except NotFound:
        raise refusal(404, code, f"{digest} is not in this layout") from None
    except StorageFailed as error:
        if error.errno not in _NO_BLOB:
            raise
        raise refusal(404, code, f"{digest} is not in this layout") from None


def _digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except InvalidDigest as error:
        raise refusal(400, "DIGEST_INVALID", str(error)) from None


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, RegistryError):
        return error_reply(request, error.status, error.codes[0], str(error))
    assert isinstance(error, PyskopeoError)
    return error_reply(request, 500, "UNKNOWN", f"the layout cannot be read: {reason(error)}")


async def _on_no_route(request: Request, _refused: Exception) -> Response:
    if request.method in ("GET", "HEAD"):
        return error_reply(request, 404, "UNSUPPORTED", "this registry has no such endpoint")
    message = "this registry is read-only: it serves an image layout and takes no changes"
    return error_reply(request, 405, "UNSUPPORTED", message, {"Allow": "GET, HEAD"})
