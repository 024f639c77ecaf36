"""Requests to one registry: scheme, authorization, redirects under our own rules, retries."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ..errors import ConnectionFailed, InvalidContent, PyskopeoError
from ..http.httpx_import import httpx
from ..http.origin import Origin, follow, follow_own, is_public, shown
from ..http.read_bounded import read_bounded
from ..http.request_body import Outgoing
from ..model.events import Requested
from ..model.reference import Reference
from ..streams.concurrency import SingleFlight
from . import error_response
from .authorization import Authorizer, BearerToken, NeedHeaders, NeedToken, Send, tried
from .challenge import TOKEN_LIMIT
from .redactor import Redactor
from .request import Content, WarningReporter, build_request, httpx_errors
from .scheme import Schemes

if TYPE_CHECKING:
    from ..access import Access
    from ..credentials.authfile import Credentials
    from ..credentials.bazel_helper import HelperHeaders

T = TypeVar("T")
SendRequest: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 10


class TokenExpired(ConnectionFailed):
    """Internal: a request with a streamed body was answered 401; a new token is ready for another attempt.

    To callers of the library it is a `ConnectionFailed`.
    """


class Session:
    """Sends the requests of one repository to its registry, and to where the registry redirects them.

    ``actions`` are those of its tokens' scope; with ``exact_scope`` tokens are for no more than that, whatever a
    challenge names. ``schemes`` are those known to other sessions, too.

    Raises `NetworkError` and its subclasses. A response may have any status; a 401 is one that cannot be answered.
    """

    def __init__(
        self,
        reference: Reference,
        send: SendRequest,
        access: Access,
        *,
        actions: str = "pull",
        exact_scope: bool = False,
        schemes: Schemes | None = None,
    ) -> None:
        self._reference = reference
        self._send_request = send
        self._access = access
        self._scheme = ""
        self._schemes = schemes or Schemes()
        self._peer = ""
        self._scope = f"repository:{reference.repository}:{actions}" if reference.repository else ""
        self._tokens: SingleFlight[str, BearerToken] = SingleFlight()
        self._redactor = Redactor()
        self._warnings = WarningReporter(reference.registry, access.report, self._redactor)
        self._authorizer = Authorizer(
            reference.registry,
            self._tokens.values,
            self._redactor,
            time.monotonic,
            registry_token=access.keychain.registry_token,
            trusted_realms=access.trust.realms,
            insecure=bool(access.trust.insecure),
            exact_scope=exact_scope,
        )

    @property
    def base(self) -> Origin:
        """The registry's own origin, as far as known."""
        return Origin.of(f"{self._scheme or 'https'}://{self._reference.api_host}")

    async def retry(self, once: Callable[[], Awaitable[T]], what: str) -> T:
        """Run with this access's retry policy."""
        return await self._access.network.retry.run(once, what, self._access.report)

    @property
    def authorization(self) -> tuple[str, float | None]:
        """The ``Authorization`` that challenges led to, empty if there were none; and a token's life in seconds."""
        token = self._tokens.values.get(self._scope)
        return (self._authorizer.basic_header, None) if token is None else (token.header, token.life)

    async def explain(self, response: httpx.Response, body: bytes, what: str, *, known: bool = False) -> PyskopeoError:
        """Return the error for a refusal with ``body``, in which our secrets are blanked out.

        A 401 or 403 says which credentials were used if it is from a server that got them: the registry itself, or
        one that is ``known`` to have. Other servers are named instead.
        """
        status, retry_after, by = response.status_code, response.headers.get("retry-after"), ""
        if status in (401, 403):
            origin = Origin.of(str(response.extensions["url"]))
            if not known and origin != self.base:
                by = f", answered by {origin.netloc}"
            elif self._access.keychain.registry_token:
                by = ", tried the given registry token"
            else:
                by = tried(await self._resolve())
        return error_response.explain(status, body, what, retry_after=retry_after, tried=by, hide=self._redactor.redact)

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], *, content: bytes = b"", also: str = ""
    ) -> httpx.Response:
        """Send to the registry, authorized; follow redirects, to which no secret goes.

        ``path`` may be an absolute URL, where the registry said to continue. ``also`` is a scope that is
        needed besides this repository's.
        """
        if not self._scheme:
            get = partial(self._send, "GET", headers={})
            self._scheme = await self._schemes.get(self._reference.api_host, self._access.trust, get)
        url = f"{self.base}{path}" if path.startswith("/") else path
        scope = f"{self._scope} {also}" if also else self._scope
        seen = {url}
        for _ in range(_MAX_REDIRECTS):
            if Origin.of(url) == self.base:
                response = await self._send_authorized(method, url, headers, content, scope)
            else:
                response = await self._send(method, url, headers, content, self._is_public())
            location = response.headers.get("location", "")
            if response.status_code not in _REDIRECTS or not location:
                return response
            await response.aclose()
            url = follow(url, location)
            if url in seen:
                raise InvalidContent(f"{self._reference.registry} redirects in a circle")
            seen.add(url)
        raise InvalidContent(f"{self._reference.registry} redirects more than {_MAX_REDIRECTS} times")

    async def send_stream(self, method: str, url: str, headers: Mapping[str, str], body: Outgoing) -> httpx.Response:
        """Send a request whose body is written meanwhile, so it cannot be sent again: no redirect is followed.

        A 401 raises `TokenExpired` if there is something else to try it with.
        """
        if Origin.of(url) == self.base:
            return await self._send_authorized(method, url, headers, body, self._scope)
        return await self._send(method, url, headers, body, self._is_public())

    def located(self, response: httpx.Response, default: str = "") -> str:
        """Return the URL of ``Location``, ``default`` if the response has none; raises `UnsafeAddress`."""
        location = response.headers.get("location", "")
        return follow_own(str(response.extensions["url"]), location, self.base) if location else default

    async def fetch_elsewhere(self, method: str, url: str) -> httpx.Response:
        """Send to an address found in content: no credentials, redirects included."""
        for _ in range(_MAX_REDIRECTS):
            response = await self._send(method, url, {}, public_only=self._is_public())
            location = response.headers.get("location", "")
            if response.status_code not in _REDIRECTS or not location:
                return response
            await response.aclose()
            url = follow(url, location)
        raise InvalidContent(f"{Origin.of(url)} redirects more than {_MAX_REDIRECTS} times")

    async def _send_authorized(
        self, method: str, url: str, headers: Mapping[str, str], content: Content, scope: str
    ) -> httpx.Response:
        """Send to the registry's own origin, and do what the authorization flow asks for on the way."""
        flow = self._authorizer.flow(url, scope)
        response: httpx.Response | None = None
        answer: object = None
        try:
            while True:
                step = flow.send(answer)
                if isinstance(step, Send):
                    if response is not None:
                        await response.aclose()
                        if isinstance(content, Outgoing):
                            raise TokenExpired(f"{self.base.netloc}: the token had expired", host=self.base.netloc)
                    sent = {**step.headers, **headers}
                    answer = response = await self._send(method, url, sent, content)
                    self._peer = self._peer or response.extensions.get("peer") or ""
                elif isinstance(step, NeedHeaders):
                    answer = await self._access.keychain.headers(step.url, stale=step.stale)
                elif isinstance(step, NeedToken):
                    answer = await self._get_token(step)
                else:
                    answer = await self._resolve()
        except StopIteration:
            assert response is not None
            return response
        except PyskopeoError:
            if response is not None:  # the caller gets an error instead
                await response.aclose()
            raise

    async def _resolve(self) -> Credentials | HelperHeaders | None:
        return await self._access.keychain.resolve(self._reference.registry, self._reference.repository)

    async def _get_token(self, step: NeedToken) -> BearerToken:
        """Request a token, once for all requests that want the same one at the time."""
        request, origin = step.request, Origin.of(step.request.url)
        what = f"requesting a token from {origin}"

        async def once() -> BearerToken:
            public_only = origin.host != self.base.host and self._is_public()
            response = await self._send(request.method, request.url, request.headers, request.content, public_only)
            try:
                limit = TOKEN_LIMIT if response.status_code == 200 else error_response.LIMIT
                body = await read_bounded(response, limit, what, cut=response.status_code != 200)
            finally:
                await response.aclose()
            if response.status_code != 200:
                raise await self.explain(response, body, what, known=True)
            return step.parse(body, time.monotonic())

        def usable(token: BearerToken) -> bool:
            return token.is_usable(time.monotonic(), step.refused)

        return await self._tokens.get(step.scope, partial(self.retry, once, what), usable=usable)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: Content = b"", public_only: bool = False
    ) -> httpx.Response:
        with httpx_errors(url):
            request = build_request(method, url, headers, content, self._access.network, public_only=public_only)
            started, status = time.monotonic(), 0
            try:
                response = await self._send_request(request)
                status = response.status_code
            finally:
                took = round(time.monotonic() - started, 3)
                self._access.report(Requested(request.method, shown(url), status, took))
        response.extensions["url"] = url
        self._warnings.look_at(response)
        return response

    def _is_public(self) -> bool:
        """Whether the registry itself is on the internet; behind a proxy, by its name."""
        host = self._peer or self.base.host
        try:
            return is_public(host)
        except ValueError:
            return host != "localhost" and not host.endswith(".localhost") and "." in host
