"""A read-only registry over an OCI image layout: the pull side of the distribution specification 1.1.

Any repository name serves the whole layout, since a layout does not say which repository it is; give
`application` a ``repository`` to answer to that one alone. Tags are the layout's reference names
(``org.opencontainers.image.ref.name``), and the tag of a full name such as ``host/repo:tag``. Where
several images claim one tag, the repository name in the request decides between them; where it
cannot, the tag is not served. Images without a tag are served by digest, and one that is alone in
its layout also as ``latest``.

Manifests are verified before they are sent. A blob is verified by whoever pulls it, except behind a
symbolic link: that is hashed first, so that a layout cannot be made to hand out other files.

There is no TLS and no authentication: whoever reaches the address reads the layout.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .errors import (
    ContentMismatch,
    InvalidContent,
    InvalidDigest,
    InvalidName,
    NetworkError,
    NotFound,
    PyskopeoError,
    RegistryError,
    StorageFailed,
    TooLarge,
    Unsupported,
)
from .files import FileReader, digest_name, open_regular, read_bounded, storage_errors
from .model import layout as grammar
from .model.descriptor import Descriptor
from .model.digest import Digest, Verifier
from .model.manifest import Manifest
from .model.reference import Reference
from .model.strictjson import MANIFEST_LIMIT
from .pump import BUFFER_SIZE, pump_in_thread

if TYPE_CHECKING:
    import socket

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

_CONTAINERD_NAME = "io.containerd.image.name"
_RANGE = re.compile(r"bytes=([0-9]{0,99})-([0-9]{0,99})", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
# What a path that cannot be a blob's is answered with; no errno is "not a regular file".
_NO_BLOB = (None, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
# The coarsest clock of a file system in use: two changes within it can look like one.
_CLOCK_STEP_NS = 2_000_000_000
_ATTEMPTS, _PAUSE = 25, 0.02
_GRACE = 2
_VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}

_Signature: TypeAlias = tuple[int, ...]


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
        raise _missing() from None

    if repository is not None and not _is_repository(repository):
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


async def serve(layout: Path, host: str, port: int, *, on_ready: Callable[[str, int], None]) -> None:
    """Serve ``layout`` until cancelled; open connections are cut then.

    ``port`` 0 picks a free one. ``on_ready(address, port)`` is called once connections are accepted.
    Signals are left to the caller. Needs asyncio. Raises what `application` raises, and
    `NetworkError` when the address cannot be listened on.
    """
    from anyio import CancelScope, create_task_group, sleep_forever, to_thread

    app = await to_thread.run_sync(application, layout)
    try:
        import asyncio

        import uvicorn
    except ImportError:
        raise _missing() from None
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise Unsupported("serving needs the asyncio event loop, not trio's") from None

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    # The caller's logging is used as it is.
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False,
        server_header=False, timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
    server = Server(config)

    async def run() -> None:
        # uvicorn closes nothing when it is cancelled: it is asked to end, below.
        with CancelScope(shield=True):
            await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()

    with await _listen(host, port) as listener:
        address = listener.getsockname()
        on_ready(address[0], address[1])
        async with create_task_group() as tasks:
            tasks.start_soon(run)
            try:
                await sleep_forever()
            finally:
                server.should_exit = True
                for connection in list(server.server_state.connections):
                    connection.transport.abort()


async def _listen(host: str, port: int) -> socket.socket:
    import socket

    from anyio import getaddrinfo

    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not 0 <= port <= 65535:
        raise NetworkError(f"cannot listen on {where}: a port is a number up to 65535")
    try:
        found = await getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            listener.listen(128)
            stack.pop_all()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NetworkError(f"cannot listen on {where}: {reason}") from error
    return listener


def _missing() -> Unsupported:
    return Unsupported("serving a layout needs uvicorn and starlette: pip install 'pyskopeo[serve]'")


@dataclass(frozen=True, slots=True)
class Catalog:
    """What one state of index.json offers.

    ``types`` are the media types of the entries that are manifests, ``made`` the indexes that no
    blob holds because index.json itself is the image, ``contested`` the tags several images claim.
    """

    tags: Mapping[str, Digest]
    contested: Mapping[str, Sequence[Descriptor]]
    types: Mapping[Digest, str]
    made: Mapping[Digest, Manifest]

    @classmethod
    def of(cls, index: grammar.LayoutIndex) -> Catalog:
        """Sort the entries by tag, with the precedence `LayoutIndex.find` has."""
        usable = [d for d in index.descriptors if d.is_manifest or not d.media_type]
        claims: dict[str, tuple[int, list[Descriptor]]] = {}
        for descriptor in usable:
            for rank, tag in _tags_of(descriptor):
                best = claims.get(tag)
                if best is None or rank < best[0]:
                    claims[tag] = (rank, [descriptor])
                elif rank == best[0]:
                    best[1].append(descriptor)
        found = {tag: claimants for tag, (_, claimants) in claims.items()}
        tags: dict[str, Digest] = {}
        made: dict[Digest, Manifest] = {}
        for tag, claimants in (found or {"": usable}).items():
            with suppress(NotFound, InvalidContent):
                # Only entries that disagree need the whole search: it is linear.
                one = len({d.digest for d in claimants}) == 1
                root = claimants[0] if one else index.find(tag, grammar.INDEX_FILE)
                if isinstance(root, Manifest) and len(root.raw) > MANIFEST_LIMIT:
                    continue
                tags[tag or "latest"] = root.digest
                if isinstance(root, Manifest):
                    made[root.digest] = root
        contested = {tag: claimants for tag, claimants in found.items() if tag not in tags}
        return cls(tags, contested, {d.digest: d.media_type for d in usable}, made)

    def resolve(self, name: str, tag: str) -> Digest | None:
        """The image ``tag`` stands for in repository ``name``."""
        if found := self.tags.get(tag):
            return found
        own = {d.digest for d in self.contested.get(tag, ()) if any(_is_full_name(n, name, tag) for n in _names(d))}
        return own.pop() if len(own) == 1 else None

    def tags_in(self, name: str) -> list[str]:
        """Every tag that `resolve` knows in ``name``, in the specification's order."""
        return sorted((*self.tags, *(t for t in self.contested if self.resolve(name, t))), key=_order)


def _names(descriptor: Descriptor) -> tuple[str, str]:
    return descriptor.annotations.get(grammar.REF_NAME, ""), descriptor.annotations.get(_CONTAINERD_NAME, "")


def _tags_of(descriptor: Descriptor) -> Iterator[tuple[int, str]]:
    for rank, name in enumerate(_names(descriptor)):
        head, _, tag = name.rpartition(":")
        if _is_tag(tag):
            yield 2 * rank + bool(head), tag


def _is_full_name(text: str, name: str, tag: str) -> bool:
    return text == f"{name}:{tag}" or text.endswith(f"/{name}:{tag}")


def _is_tag(text: str) -> bool:
    return _parses(f"localhost/x:{text}") and "@" not in text


def _is_repository(text: str) -> bool:
    return _parses(f"localhost/{text}") and ":" not in text and "@" not in text


def _parses(text: str) -> bool:
    try:
        Reference.parse(text)
    except InvalidName:
        return False
    return True


def _order(tag: str) -> tuple[str, str]:
    return tag.lower(), tag


class _Index:
    """``index.json``, read anew whenever it changed; called from worker threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: tuple[_Signature, Catalog] | None = None

    def catalog(self) -> Catalog:
        """What the layout offers now; waits a little for a file that is being written in place."""
        for left in reversed(range(_ATTEMPTS)):
            kept, started = self._kept, time.time_ns()
            fd = open_regular(self._path)
            with os.fdopen(fd, "rb") as file, storage_errors(f"reading {grammar.INDEX_FILE}"):
                before = _signature(fd)
                if kept is not None and kept[0] == before:
                    return kept[1]
                raw = file.read(grammar.INDEX_LIMIT + 1)
                settled = before == _signature(fd) and started - max(before[:2]) > _CLOCK_STEP_NS
            try:
                catalog = Catalog.of(grammar.LayoutIndex.parse(raw))
            except InvalidContent:
                if settled or not left:
                    raise
                time.sleep(_PAUSE)
            else:
                # What changed a moment ago may change again without its times showing it.
                self._kept = (before, catalog) if settled else None
                return catalog
        raise AssertionError("the last attempt returns or raises")


def _signature(fd: int) -> _Signature:
    status = os.fstat(fd)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


class _Registry:
    """The endpoints. Files are read in worker threads, at paths made of parsed digests alone."""

    def __init__(self, layout: Path, repository: str | None) -> None:
        self._blobs = layout / "blobs"
        self._repository = repository
        self._title = repository or (layout.name if _is_repository(layout.name) else "image")
        self._index = _Index(layout / grammar.INDEX_FILE)
        self._vouched: dict[Digest, _Signature] = {}

    async def base(self, request: Request) -> Response:
        return _json(request, {})

    async def catalog(self, request: Request) -> Response:
        """One name: every repository is the same, and mirroring the layout once is enough."""
        return _page(request, {}, "repositories", [self._title])

    async def tags(self, request: Request) -> Response:
        name = self._name(request)
        return _page(request, {"name": name}, "tags", (await self._catalog()).tags_in(name))

    async def manifest(self, request: Request) -> Response:
        from anyio import to_thread

        name, reference = self._name(request), request.path_params["reference"]
        asked = _digest(reference) if ":" in reference else None
        if asked is None and not _is_tag(reference):
            raise _refusal(400, "TAG_INVALID", f"invalid tag {ascii(reference)[:140]}")
        catalog = await self._catalog()
        digest = asked or catalog.resolve(name, reference)
        if digest is None:
            contested = reference in catalog.contested
            why = "is claimed by several images, pull by digest" if contested else "is not in this layout"
            raise _refusal(404, "MANIFEST_UNKNOWN", f"tag {reference} {why}")
        manifest = catalog.made.get(digest)
        if manifest is None:
            manifest = await to_thread.run_sync(self._manifest, digest, catalog)
        return _reply(request, 200, manifest.raw, _content_headers(digest, manifest.media_type))

    async def blob(self, request: Request) -> Response | _Stream:
        from anyio import to_thread

        self._name(request)
        digest = _digest(request.path_params["digest"])
        headers = _VERSION | _content_headers(digest, "application/octet-stream") | {"Accept-Ranges": "bytes"}
        with ExitStack() as stack:
            file, linked = await to_thread.run_sync(self._open, digest)
            stack.enter_context(file)
            if linked:
                await self._vouch(digest, file)
            size = os.fstat(file.fileno()).st_size
            headers["Content-Length"] = str(size)
            if request.method == "HEAD" or _is_known(request, headers):
                return _reply(request, 200, b"", headers)
            part = _asked(request, headers, size)
            if part is None:
                part, status = range(size), 200
            elif part:
                status = 206
                headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
                headers["Content-Length"] = str(len(part))
            else:
                extent = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
                return _error(request, 416, "RANGE_INVALID", f"the blob has {size} bytes", extent)
            stack.pop_all()
        return _Stream(file, part, status, headers)

    def _name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if not _is_repository(name):
            raise _refusal(400, "NAME_INVALID", f"invalid repository name {ascii(name)[:300]}")
        if self._repository not in (None, name):
            raise _refusal(404, "NAME_UNKNOWN", f"repository {name} is not served here, {self._repository} is")
        return name

    async def _catalog(self) -> Catalog:
        from anyio import to_thread

        try:
            return await to_thread.run_sync(self._index.catalog)
        except NotFound:
            raise _refusal(404, "NAME_UNKNOWN", "the layout has no index.json yet") from None

    def _manifest(self, digest: Digest, catalog: Catalog) -> Manifest:
        """A verified manifest; what is no manifest is unknown, unless index.json says it is one."""
        with _unknown("MANIFEST_UNKNOWN", digest):
            try:
                raw = read_bounded(self._blobs / digest_name(digest), MANIFEST_LIMIT)
                return Manifest.parse(raw, content_type=catalog.types.get(digest, ""), expected=digest)
            except (InvalidContent, Unsupported) as error:
                if digest in catalog.types or isinstance(error, ContentMismatch):
                    raise _refusal(500, "MANIFEST_INVALID", f"{digest}: {_reason(error)}") from error
                raise _refusal(404, "MANIFEST_UNKNOWN", f"{digest} is not a manifest") from error

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
        signature, size = _signature(fd), os.fstat(fd).st_size
        if self._vouched.get(digest) == signature:
            return
        try:
            verifier = Verifier(Descriptor("", digest, size))
            await pump_in_thread(FileReader(fd, Path(digest_name(digest)), 0, size), _Nowhere(), verifier, _ignore)
        except (ContentMismatch, Unsupported):
            raise _refusal(404, "BLOB_UNKNOWN", f"{digest} is a link to other content") from None
        self._vouched[digest] = signature


class _Nowhere:
    def write(self, buffer: memoryview) -> None:
        """The bytes were hashed; nothing else is wanted of them."""


def _ignore(_count: int) -> None:
    """Nobody watches the progress."""


@dataclass(frozen=True, slots=True)
class _Stream:
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


def _asked(request: Request, headers: Mapping[str, str], size: int) -> range | None:
    asked = request.headers.getlist("range")
    if len(asked) != 1 or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return None
    return byte_range(asked[0], size)


def _is_known(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether If-None-Match names what would be sent."""
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return bool(known & {"*", headers.get("ETag")})


def _content_headers(digest: Digest, media_type: str) -> dict[str, str]:
    return {"Content-Type": media_type, "Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}


def _reply(request: Request, status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    from starlette.responses import Response

    sent = {**_VERSION, "Content-Length": str(len(body)), **headers}
    if status == 200 and _is_known(request, headers):
        status, body = 304, b""
        del sent["Content-Length"], sent["Content-Type"]
    return Response(b"" if request.method == "HEAD" else body, status, sent)


def _json(request: Request, value: object, status: int = 200, headers: Mapping[str, str] = _VERSION) -> Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    return _reply(request, status, body, {"Content-Type": "application/json", **headers})


def _page(request: Request, value: dict[str, object], key: str, names: Sequence[str]) -> Response:
    """The part of ``names`` that ``n`` and ``last`` ask for, and a Link to the next."""
    from urllib.parse import urlencode

    if last := request.query_params.get("last"):
        names = [name for name in names if _order(name) > _order(last)]
    count, headers = request.query_params.get("n"), {}
    if count is not None:
        if not _COUNT.fullmatch(count):
            raise _refusal(400, "PAGINATION_NUMBER_INVALID", f"n is {ascii(count)[:40]}, want a number")
        page = names[: int(count)]
        if page and len(page) < len(names):
            query = urlencode({"n": len(page), "last": page[-1]})
            headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
        names = page
    return _json(request, value | {key: names}, headers=headers)


def _refusal(status: int, code: str, message: str) -> RegistryError:
    return RegistryError(message, status=status, codes=(code,))


@contextmanager
def _unknown(code: str, digest: Digest) -> Iterator[None]:
    """A path that holds no regular file holds no content."""
    try:
        yield
    except NotFound:
        raise _refusal(404, code, f"{digest} is not in this layout") from None
    except StorageFailed as error:
        if error.errno not in _NO_BLOB:
            raise
        raise _refusal(404, code, f"{digest} is not in this layout") from None


def _digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except InvalidDigest as error:
        raise _refusal(400, "DIGEST_INVALID", str(error)) from None


def _reason(error: PyskopeoError) -> str:
    """Why, without the server's own paths and other content: those are nobody's business across a network."""
    if isinstance(error, StorageFailed):
        return os.strerror(error.errno) if error.errno else "it cannot be read"
    if isinstance(error, ContentMismatch):
        return "its content is not what its digest and size say"
    return f"over the limit of {error.limit} bytes" if isinstance(error, TooLarge) else str(error)


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, RegistryError):
        return _error(request, error.status, error.codes[0], str(error))
    assert isinstance(error, PyskopeoError)
    return _error(request, 500, "UNKNOWN", f"the layout cannot be read: {_reason(error)}")


async def _on_no_route(request: Request, _refused: Exception) -> Response:
    if request.method in ("GET", "HEAD"):
        return _error(request, 404, "UNSUPPORTED", "this registry has no such endpoint")
    message = "this registry is read-only: it serves an image layout and takes no changes"
    return _error(request, 405, "UNSUPPORTED", message, {"Allow": "GET, HEAD"})


def _error(request: Request, status: int, code: str, message: str, headers: Mapping[str, str] = _VERSION) -> Response:
    return _json(request, {"errors": [{"code": code, "message": message, "detail": None}]}, status, headers)
