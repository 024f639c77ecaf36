"""All that stands between the network and the application: who may do what, how much, and what is written about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import PyskopeoError
from ..fast_dataclass import dataclass
from .access_log import AccessLog, log_line
from .answers import Refusal, has_body, send_document
from .body_limits import MANIFEST_BODY, OTHER_BODY, LimitedBody, announced_length, too_large
from .failed_logins import client_of
from .gate import Gate
from .metrics import CONTENT_TYPE, Exchange, ServerMetrics
from .request_checks import METHODS, odd_request
from .request_target import Target, target_of
from .scope_keys import TARGET, UPLOAD_ENDED, USER
from .upload_quota import UploadQuota

if TYPE_CHECKING:
    from anyio import CapacityLimiter
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .authentication import Authentication

MAX_REQUESTS = 128
SLOT_SECONDS = 30.0
"""Seconds that a request waits for others to end before it is refused."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """How a registry is guarded.

    ``authentication`` says who may do what; None: anyone may do everything. ``max_blob_size`` is the largest body of an
    upload in bytes, None: any. ``max_requests`` is how many requests are answered at once. ``problem`` returns why the
    server is not well, "" if it is; it is called in a worker thread. ``shows_metrics`` serves them to those who may log
    in, or to anyone without logins.
    """

    authentication: Authentication | None = None
    max_blob_size: int | None = None
    max_requests: int = MAX_REQUESTS
    access_log: AccessLog | None = None
    problem: Callable[[], str] = str
    shows_metrics: bool = True


class Guard:
    """An ASGI application before another one, which gets the requests that may pass."""

    def __init__(self, app: ASGIApp, settings: GuardSettings, metrics: ServerMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._app = app
        self._quota = UploadQuota()
        self._slots: CapacityLimiter | None = None
        self._enter: ASGIApp = self._serve
        if settings.authentication is not None:
            self._enter = Gate(self._serve, settings.authentication)
        metrics.gauge("uploads_open", "Uploads that are begun and not finished", lambda: self._quota.open_uploads)
        if (authentication := settings.authentication) is not None:
            metrics.counter("failed_logins", "Logins that failed", lambda: authentication.failures)
        if (log := settings.access_log) is not None:
            metrics.counter("access_log_lost_lines", "Lines that could not be written", lambda: log.dropped)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        begun = time.perf_counter()
        target = scope[TARGET] = target_of(scope["method"], scope["path"])
        body = LimitedBody(receive, self._body_limit(scope, target)) if has_body(scope) else None
        answer = _Answer(send)
        self._metrics.in_progress += 1
        try:
            await self._admit(scope, body or receive, answer, target)
        except Exception as error:
            from starlette.requests import ClientDisconnect

            gone = isinstance(error, ClientDisconnect) or (body is not None and body.refusal is not None)
            if not gone:
                raise  # the server answers 500
        finally:
            self._metrics.in_progress -= 1
            if body is not None and body.refusal is not None and not answer.status:
                await body.refusal.send(scope, answer)
            received = body.received if body is not None else 0
            self._note(scope, target, Exchange(answer.status, time.perf_counter() - begun, answer.sent, received))

    async def _admit(self, scope: Scope, receive: Receive, answer: _Answer, target: Target) -> None:
        refusal = odd_request(scope)
        if refusal is not None:
            await refusal.send(scope, answer)
        elif target.endpoint == "health":
            await _send_health(self._settings.problem, answer)
        else:
            await self._take_slot(scope, receive, answer)

    async def _take_slot(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        from anyio import CapacityLimiter, WouldBlock, move_on_after

        if self._slots is None:
            self._slots = CapacityLimiter(self._settings.max_requests)
        try:
            self._slots.acquire_nowait()  # much cheaper than what follows
        except WouldBlock:
            with move_on_after(SLOT_SECONDS) as waiting:
                await self._slots.acquire()
            if waiting.cancelled_caught:
                refusal = Refusal(503, "TOOMANYREQUESTS", "too many requests at once", {"Retry-After": "5"})
                await refusal.send(scope, answer)
                return
        try:
            await self._enter(scope, receive, answer)
        finally:
            self._slots.release()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may be made."""
        target: Target = scope[TARGET]
        if target.endpoint == "metrics" and self._settings.shows_metrics:
            await _send_metrics(self._metrics, scope, send)
            return
        limit, length = self._body_limit(scope, target), announced_length(scope)
        if limit is not None and length is not None and length > limit:
            await too_large(limit).send(scope, send)
        elif target.endpoint in ("uploads", "upload"):
            await self._serve_upload(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        client = scope.get(USER) or client_of((scope.get("client") or ("",))[0])
        refusal = self._quota.refuse(client) if method == "POST" else None
        if refusal is not None:
            await refusal.send(scope, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._quota.answered(client, method, path, message, ended=scope.get(UPLOAD_ENDED, False))
            await send(message)

        await self._app(scope, receive, noting)

    def _body_limit(self, scope: Scope, target: Target) -> int | None:
        if target.endpoint in ("uploads", "upload"):
            return self._settings.max_blob_size
        return MANIFEST_BODY if target.endpoint == "manifests" and scope["method"] == "PUT" else OTHER_BODY

    def _note(self, scope: Scope, target: Target, done: Exchange) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.request(method, target.endpoint, done)
        if self._settings.access_log is not None:
            self._settings.access_log.add(log_line(scope, scope.get(USER, ""), done, time.time()))


def metrics_application(metrics: ServerMetrics, problem: Callable[[], str]) -> ASGIApp:
    """Return an application that shows metrics and health, and nothing else, to anyone."""

    async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
        refusal = odd_request(scope)
        endpoint = target_of(scope["method"], scope["path"]).endpoint
        if refusal is not None:
            await refusal.send(scope, send)
        elif endpoint == "health":
            await _send_health(problem, send)
        elif endpoint == "metrics":
            await _send_metrics(metrics, scope, send)
        else:
            await Refusal(404, "UNSUPPORTED", "there are only /metrics and /healthz here").send(scope, send)

    return answer


async def _send_health(problem: Callable[[], str], send: Send) -> None:
    from anyio import to_thread

    found = await to_thread.run_sync(problem)
    status, text = (503, found) if found else (200, "ok")
    await send_document(send, status, f"{text}\n".encode(), "text/plain; charset=utf-8")


async def _send_metrics(metrics: ServerMetrics, scope: Scope, send: Send) -> None:
    from anyio import to_thread

    try:
        text = await to_thread.run_sync(metrics.text)
    except PyskopeoError as error:
        await Refusal(501, "UNSUPPORTED", str(error)).send(scope, send)
        return
    await send_document(send, 200, text, CONTENT_TYPE)


class _Answer:
    """The ``send`` of a request; ``status`` is what was answered, 0 before that, ``sent`` the bytes of the body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.sent = 0

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.body":
            self.sent += len(message.get("body", b""))
        elif kind == "http.response.start":
            self.status = message["status"]
        else:  # an extension sends a file as a whole
            self.sent += message.get("count") or 0
        await self._send(message)


def guarded(app: ASGIApp, settings: GuardSettings | None = None, metrics: ServerMetrics | None = None) -> Guard:
    """Return ``app`` behind a guard; without ``settings`` anyone may do everything that the limits allow."""
    return Guard(app, settings or GuardSettings(), metrics or ServerMetrics())
