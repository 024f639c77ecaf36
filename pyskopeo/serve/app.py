"""The ASGI application: routes and endpoints of the distribution specification."""

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
from ..model.descriptor import UNKNOWN_SIZE, Descriptor
from ..model.digest import Digest
from ..model.layout import INDEX_FILE, LAYOUT_FILE, check_layout_file
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..model.verifier import Verifier
from ..storage.files import digest_name, open_regular, read_bounded, storage_errors
from ..storage.layout_referrers import LayoutReferrers, read_referrers
from ..storage.oci_layout import DirectoryFiles
from ..streams.cancellation import run_in_thread
from ..streams.progress import uncounted
from ..streams.pump import FileReader, NullSink, pump
from .catalog import Catalog, FileState, IndexFile, file_state, is_repository, is_tag
from .responses import (
    VERSION,
    Stream,
    content_headers,
    error_reply,
    is_not_modified,
    json_reply,
    missing_extra,
    page_reply,
    reason,
    referrers_reply,
    refusal,
    reply,
    requested_range,
)

if TYPE_CHECKING:

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

# Error numbers for paths that are not those of a blob; EISDIR and EINVAL are for one that is not a regular file.
_NO_BLOB = (errno.EISDIR, errno.EINVAL, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)

def application(layout: Path, repository: str | None = None) -> Starlette:
    """Return an ASGI application that serves the image layout at ``layout``.

    ``repository`` is the only repository that is served; None serves any name. Raises `Unsupported` if the
    extra ``serve`` is not installed, `NotFound` or `InvalidContent` if ``layout`` is not an image layout,
    and `InvalidName` for an invalid ``repository``.
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.routing import Route
    except ImportError:
        raise missing_extra() from None

    if repository is not None and not is_repository(repository):
        raise InvalidName(f"invalid repository name {repository!a}")
    marker = layout / LAYOUT_FILE
    check_layout_file(read_bounded(marker, 1024 * 1024), str(marker))
    registry = _Registry(layout.absolute(), repository)
    app = Starlette(
        routes=[
            Route("/v2", registry.base),
            Route("/v2/", registry.base),
            Route("/v2/_catalog", registry.catalog),
            Route("/v2/{name:path}/manifests/{reference}", registry.manifest),
            Route("/v2/{name:path}/blobs/{digest}", registry.blob),
            Route("/v2/{name:path}/tags/list", registry.tags),
            Route("/v2/{name:path}/referrers/{digest}", registry.referrers),
        ],
        exception_handlers={HTTPException: _on_no_route, PyskopeoError: _on_error},
    )
    app.router.redirect_slashes = False
    return app


class _Registry:
    """The endpoints. Files are read in worker threads, by paths that consist of parsed digests only."""

    def __init__(self, layout: Path, repository: str | None) -> None:
        self._blobs = layout / "blobs"
        self._repository = repository
        self._title = repository or (layout.name if is_repository(layout.name) else "image")
        self._index = IndexFile(layout / INDEX_FILE)
        self._verified_links: dict[Digest, FileState] = {}
        self._files = DirectoryFiles(layout)
        self._referrers: tuple[Catalog, LayoutReferrers] | None = None

    async def base(self, request: Request) -> Response:
        """``/v2/``: the registry supports the specification."""
        return json_reply(request, {})

    async def catalog(self, request: Request) -> Response:
        """``/v2/_catalog``: one name only, although any is served, so that mirrors copy the layout once."""
        return page_reply(request, {}, "repositories", [self._title])

    async def tags(self, request: Request) -> Response:
        """``tags/list`` (distribution specification, "Listing Tags")."""
        name = self._name(request)
        return page_reply(request, {"name": name}, "tags", (await self._catalog()).tags_in(name))

    async def manifest(self, request: Request) -> Response:
        """A manifest by tag or digest (distribution specification, "Pulling manifests")."""
        from anyio import to_thread

        name, reference = self._name(request), request.path_params["reference"]
        requested = _digest(reference) if ":" in reference else None
        if requested is None and not is_tag(reference):
            raise refusal(400, "TAG_INVALID", f"invalid tag {ascii(reference)[:140]}")
        catalog = await self._catalog()
        digest = requested or catalog.resolve(name, reference)
        if digest is None:
            ambiguous = reference in catalog.ambiguous
            why = "is claimed by several images, pull by digest" if ambiguous else "is not in this layout"
            raise refusal(404, "MANIFEST_UNKNOWN", f"tag {reference} {why}")
        manifest = catalog.synthesized.get(digest)
        if manifest is None:
            manifest = await to_thread.run_sync(self._manifest, digest, catalog)
        return reply(request, 200, manifest.raw, content_headers(digest, manifest.media_type))

    async def blob(self, request: Request) -> Response | Stream:
        """A blob or a range of it (distribution specification, "Pulling blobs")."""
        from anyio import to_thread

        self._name(request)
        digest = _digest(request.path_params["digest"])
        headers = VERSION | content_headers(digest, "application/octet-stream") | {"Accept-Ranges": "bytes"}
        with ExitStack() as stack:
            file, linked = await to_thread.run_sync(self._open, digest)
            stack.enter_context(file)
            if linked:
                await self._verify_link(digest, file)
            size = os.fstat(file.fileno()).st_size
            headers["Content-Length"] = str(size)
            if request.method == "HEAD" or is_not_modified(request, headers):
                return reply(request, 200, b"", headers)
            part = requested_range(request, headers, size)
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

    async def referrers(self, request: Request) -> Response:
        """The manifests whose subject is a digest (distribution specification, "Listing Referrers")."""
        self._name(request)
        digest = _digest(request.path_params["digest"])
        catalog = await self._catalog()
        if self._referrers is None or self._referrers[0] is not catalog:
            entries = [Descriptor(media_type, one, UNKNOWN_SIZE) for one, media_type in catalog.types.items()]
            self._referrers = catalog, await run_in_thread(lambda: read_referrers(self._files, entries))
        found = self._referrers[1].by_subject.get(digest, {})
        return referrers_reply(request, [one.descriptor for one in found.values()])

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
        """Read and verify a manifest; other content is unknown, or invalid if index.json lists it."""
        with _unknown("MANIFEST_UNKNOWN", digest):
            try:
                raw = read_bounded(self._blobs / digest_name(digest), MANIFEST_LIMIT)
                return Manifest.parse(raw, content_type=catalog.types.get(digest, ""), expected=digest)
            except (InvalidContent, Unsupported) as error:
                if digest in catalog.types or isinstance(error, ContentMismatch):
                    raise refusal(500, "MANIFEST_INVALID", f"{digest}: {reason(error)}") from error
                raise refusal(404, "MANIFEST_UNKNOWN", f"{digest} is not a manifest") from error

    def _open(self, digest: Digest) -> tuple[FileIO, bool]:
        """Open a blob; returns it and whether its path is a symbolic link."""
        path = self._blobs / digest_name(digest)
        with _unknown("BLOB_UNKNOWN", digest):
            file = FileIO(open_regular(path))
            try:
                with storage_errors("reading a blob"):
                    return file, not os.path.samestat(path.lstat(), os.fstat(file.fileno()))
            except BaseException:
                file.close()
                raise

    async def _verify_link(self, digest: Digest, file: FileIO) -> None:
        """Verify the target of a link, once until it changes."""
        fd = file.fileno()
        state, size = file_state(fd), os.fstat(fd).st_size
        if self._verified_links.get(digest) == state:
            return
        try:
            verifier = Verifier(Descriptor("", digest, size))
            reader = FileReader(fd, Path(digest_name(digest)), 0, size)
            await run_in_thread(lambda: pump(reader, NullSink(), verifier, uncounted))
        except (ContentMismatch, Unsupported):
            raise refusal(404, "BLOB_UNKNOWN", f"{digest} is a link to other content") from None
        self._verified_links[digest] = state


@contextmanager
def _unknown(code: str, digest: Digest) -> Iterator[None]:
    """Report a missing file, and a path that is not a regular file, as a 404 with an error ``code``."""
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
