"""A registry that passes on what other registries have, and keeps it: a read-through cache.

Manifests and blobs are stored when they are first asked for; each is requested upstream once, however many clients want
it, and its bytes go to them while they arrive. What a tag refers to is asked again after a time, by HEAD. While an
upstream cannot be reached, what is stored is served (RFC 9111, section 4.2.4), with a ``Warning`` header.

Requests upstream are made with the credentials of the one who runs the proxy, never with those of its clients: whoever
may ask the proxy may read what these credentials can read. It takes no pushes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import AccessDenied, PyskopeoError
from ..fast_dataclass import replace
from ..model.events import Event, Requested, Warned, ignore
from ..model.reference import Reference, is_tag
from .blob_parts import BlobPart, requested_part
from .catalog import order
from .fresh_values import is_outage
from .metrics import ServerMetrics
from .paths import RegistryPath, parse_path
from .proxy_blob import ProxiedBlob
from .proxy_content import ProxyContent
from .proxy_errors import answer_to
from .reading import parse_verifiable_digest
from .responses import (
    VERSION,
    Stream,
    content_headers,
    error_reply,
    json_reply,
    page_reply,
    referrers_reply,
    refusal,
    reply,
    requested_page,
)
from .scope_keys import MAY
from .upstream_connections import UpstreamConnections
from .upstreams import Upstream, Upstreams

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..access import Access

FRESH = 60.0
"""Seconds after which a proxy asks again what a tag refers to."""
_BETWEEN_WARNINGS, _CLOSING = 60.0, 2.0  # seconds


@asynccontextmanager
async def open_proxy(
    upstreams: Sequence[Upstream], new_access: Callable[[], Access], *,
    fresh: float = FRESH, report: Callable[[Event], None] = ignore, metrics: ServerMetrics | None = None,
) -> AsyncIterator[Proxy]:  # fmt: skip
    """Open an ASGI application that is a read-through cache of registries.

    ``new_access`` returns the settings for requests upstream, and the store (`Storage.store`); it is called again every
    ten minutes, so that credentials may change. ``fresh`` is in seconds. ``report`` gets warnings, ``metrics`` count
    requests upstream and looks into the cache. Blobs are fetched by tasks of the context. Raises `InvalidName`, and
    what opening the store raises.
    """
    from anyio import create_task_group, move_on_after

    names, mark = Upstreams(upstreams), f"proxy-{secrets.token_hex(8)}"
    numbers = metrics or ServerMetrics()

    def marked() -> Access:
        access = new_access()
        network = replace(access.network, user_agent=f"{access.network.user_agent} {mark}")

        def counted(event: Event) -> None:
            if isinstance(event, Requested):
                numbers.upstream(event.status)
            access.report(event)

        return replace(access, network=network, report=counted)

    connections = UpstreamConnections(names, marked)
    try:
        async with connections.used():  # raises for a path that is no store
            pass
        async with create_task_group() as tasks:
            try:
                content = ProxyContent(connections, tasks, fresh, numbers.cache)
                numbers.counter("fetched_blobs", "Blobs that were stored in the cache", lambda: content.fetches.fetched)
                yield Proxy(names, content, mark, report)
            finally:
                tasks.cancel_scope.cancel()
    finally:
        with move_on_after(_CLOSING, shield=True):
            await connections.aclose()


class Proxy:
    """The ASGI application; ``mark`` is in the ``User-Agent`` of its own requests, by which it knows those again."""

    def __init__(
        self, upstreams: Upstreams, content: ProxyContent, mark: str, report: Callable[[Event], None]
    ) -> None:  # fmt: skip
        self._upstreams, self.content = upstreams, content
        self.mark, self._report = mark, report
        self._warned: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises a `PyskopeoError` when a response that has begun cannot be completed."""
        from starlette.requests import Request

        request = Request(scope, receive)
        blob: ProxiedBlob | None = None
        try:
            respond = await self._respond(request)
            if isinstance(respond, ProxiedBlob):
                blob = respond
            await respond(scope, receive, send)
        except PyskopeoError as error:
            if blob is not None and blob.started:
                self._warn(str(error))
                raise
            if isinstance(error, AccessDenied) or is_outage(error):
                self._warn_sometimes(type(error).__name__, str(error))
            await answer_to(request, error)(scope, receive, send)

    async def _respond(self, request: Request) -> ASGIApp:
        if self.mark in request.headers.get("user-agent", ""):
            raise refusal(508, "UNAVAILABLE", "this proxy is its own upstream")
        if request.method not in ("GET", "HEAD"):
            message = "this registry is a read-only cache of others: push to them"
            return error_reply(request, 405, "UNSUPPORTED", message, {"Allow": "GET, HEAD"})
        path = parse_path(request.scope["path"])
        if path is None or path.kind in ("uploads", "upload"):
            return error_reply(request, 404, "UNSUPPORTED", "this registry has no such endpoint")
        if path.kind == "base":
            return json_reply(request, {})
        may = request.scope.get(MAY, _everything)
        if path.kind == "catalog":
            names = [name for name in await self.content.repositories() if may(name, "pull")]
            return _list_reply(request, {}, "repositories", names, VERSION)
        name = self._upstreams.reference(path.repository, request.query_params.get("ns"))
        if not any(may(one, "pull") for one in self._upstreams.names_of(name)):
            raise refusal(403, "DENIED", f"{name.name} may not be pulled by this user")
        if path.kind == "manifests":
            return await self._manifest(request, name, path)
        if path.kind == "blobs":
            return await self._blob(request, _with_digest(name, path))
        if path.kind == "tags":
            tags = await self.content.tags(name)
            headers = self._headers(request, name, tags.problem)
            return _list_reply(request, {"name": path.repository}, "tags", sorted(tags.value, key=order), headers)
        return await self._list_referrers(request, _with_digest(name, path))

    async def _manifest(self, request: Request, name: Reference, path: RegistryPath) -> ASGIApp:
        problem = ""
        if ":" in path.reference:
            manifest = await self.content.manifest(_with_digest(name, path))
        else:
            if not is_tag(path.reference):
                raise refusal(400, "TAG_INVALID", f"invalid tag {ascii(path.reference)[:140]}")
            manifest, problem = await self.content.tag(replace(name, tag=path.reference))
        headers = content_headers(manifest.digest, manifest.media_type)
        return reply(request, 200, manifest.raw, headers | self._headers(request, name, problem))

    async def _blob(self, request: Request, name: Reference) -> ASGIApp:
        assert name.digest is not None
        found = await self.content.describe(name, name.digest)
        part = requested_part(request, found.digest, found.size, self._headers(request, name))
        if not isinstance(part, BlobPart):
            return part
        if (file := await self.content.open_stored(found)) is not None:
            return Stream(file, part.part, part.status, part.headers)
        return ProxiedBlob(
            self.content, name, found, part.part, status=part.status, headers=part.headers, report=self._warn
        )

    async def _list_referrers(self, request: Request, name: Reference) -> ASGIApp:
        found = await self.content.referrers(name)
        return referrers_reply(request, found.value, self._headers(request, name, found.problem))

    def _headers(self, request: Request, name: Reference, problem: str = "") -> dict[str, str]:
        """Return the header fields that say where content is from, and what is left of a rate limit there."""
        found = dict(self.content.connections.rate_limits.get(name.registry, {}))
        if request.query_params.get("ns") is not None:
            found["OCI-Namespace"] = name.registry
        if problem:
            self._warn_sometimes(name.registry, f"{name}: {problem}; what is stored is served")
            found["Warning"] = f'111 pyskopeo "{name.registry} could not be asked, this is what is stored"'
        return found

    def _warn_sometimes(self, about: str, message: str) -> None:
        """Warn of a registry's outage, or of errors of a kind, but not for each request."""
        if time.monotonic() - self._warned.get(about, -_BETWEEN_WARNINGS) >= _BETWEEN_WARNINGS:
            self._warned[about] = time.monotonic()
            self._warn(message)

    def _warn(self, message: str) -> None:
        self._report(Warned(message))


def _with_digest(name: Reference, path: RegistryPath) -> Reference:
    return replace(name, digest=parse_verifiable_digest(path.reference))


def _everything(_repository: str, _action: str) -> bool:
    """Return whether a client may do something, where nobody says otherwise."""
    return True


def _list_reply(
    request: Request, value: dict[str, object], key: str, names: Sequence[str], headers: Mapping[str, str]
) -> Response:
    """Return the page of sorted names that a client asks for."""
    last, count = requested_page(request)
    if last:
        names = [name for name in names if order(name) > order(last)]
    return page_reply(request, value, key, names[:count], more=len(names) > count, more_headers=headers)
