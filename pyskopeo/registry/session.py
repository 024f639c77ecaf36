"""Send requests to one registry: scheme, authorization, redirects, retries.

Redirects are followed here, not by httpx, so that no secret and no request leaves an origin unchecked.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ..errors import ConnectionFailed, InvalidContent, PyskopeoError
from ..http.httpx_import import httpx
from ..http.origin import Origin, is_public, redact_url, resolve_location, resolve_redirect
from ..http.read_bounded import read_bounded
from ..http.request_body import RequestBody
from ..model.events import Requested
from ..model.reference import Reference
from ..streams.concurrency import SingleFlight
from . import error_response
from .authorization import Authorizer, BearerToken, NeedHeaders, NeedToken, Send, describe_credentials
from .challenge import TOKEN_LIMIT
from .redactor import Redactor
from .request import Content, WarningReporter, build_request, httpx_errors, limit_body
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
    """Internal: the response to a request with a streamed body was 401; a new token is ready for another attempt.

    To callers of the library it is a `ConnectionFailed`.
    """


class Session:
    """Sends the requests for one repository to its registry, and to the targets of its redirects.

    ``actions`` are those in the scope of its tokens; with ``exact_scope`` the scope in a challenge is not added to
    them. ``schemes`` are shared with other sessions.

    Raises `NetworkError` and its subclasses. A response may have any status; it has the status 401 when all
    credentials were refused.
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
    def origin(self) -> Origin:
        """The registry's own origin, with https before the scheme is known."""
        return Origin.of(f"{self._scheme or 'https'}://{self._reference.api_host}")

    async def retry(self, once: Callable[[], Awaitable[T]], what: str, *, last: bool = False) -> T:
        """Run ``once`` with this access's retry policy; ``what`` names it in events.

        With ``last`` the error that remains is marked as `retried`: no loop around this one retries it again.
        """
        try:
            return await self._access.network.retry.run(once, what, self._access.report)
        except PyskopeoError as error:
            error.retried = error.retried or last
            raise

    def warn_once(self, message: str, key: str = "") -> None:
        """Report a warning about the registry's responses, once per ``key``, or per message without one."""
        self._warnings.report_once(message, key or message)

    @property
    def authorization(self) -> tuple[str, float | None]:
        """The ``Authorization`` used after challenges, empty if there were none, and the life of its token in seconds.

        The life is None if it is not a token.
        """
        token = self._tokens.values.get(self._scope)
        return (self._authorizer.basic_header, None) if token is None else (token.header, token.life)

    async def response_error(
        self, response: httpx.Response, body: bytes, what: str, *, got_credentials: bool = False
    ) -> PyskopeoError:
        """Return the error for an error response with ``body``, whose message has no secrets of ours.

        The message of a 401 or 403 says which credentials were used if the server received them: the registry itself
        did, others only with ``got_credentials``. Otherwise it names the server.
        """
        status, note = response.status_code, ""
        if status in (401, 403):
            origin = Origin.of(str(response.extensions["url"]))
            if not got_credentials and origin != self.origin:
                note = f", answered by {origin.netloc}"
            elif self._access.keychain.registry_token:
                note = ", tried the given registry token"
            else:
                note = describe_credentials(await self._resolve())
        retry_after = response.headers.get("retry-after")
        error = error_response.error_from_response(
            status, body, what, retry_after=retry_after, note=note, redact=self._redactor.redact
        )
        return self._access.network.retry.check_wait(error)

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], *, content: bytes = b"", extra_scope: str = ""
    ) -> httpx.Response:
        """Send an authorized request to the registry and follow redirects, to other origins without secrets.

        ``path`` may be an absolute URL, from a ``Location`` of the registry. ``extra_scope`` is a scope that the
        token needs besides this repository's. Raises `UnsafeAddress`, and `InvalidContent` for circular redirects or
        more than 10 of them.
        """
        if not self._scheme:
            get = partial(self._send, "GET", headers={})
            self._scheme = await self._schemes.get(self._reference.api_host, self._access.trust, get)
        url = f"{self.origin}{path}" if path.startswith("/") else path
        scope = f"{self._scope} {extra_scope}" if extra_scope else self._scope
        seen = {url}
        for _ in range(_MAX_REDIRECTS + 1):
            if Origin.of(url) == self.origin:
                response = await self._send_authorized(method, url, headers, content, scope)
            else:
                response = await self._send(method, url, headers, content, self._is_public())
            location = response.headers.get("location", "")
            if response.status_code not in _REDIRECTS or not location:
                return response
            await response.aclose()
            url = resolve_redirect(url, location)
            if url in seen:
                raise InvalidContent(f"{self._reference.registry} redirects in a circle")
            seen.add(url)
        raise InvalidContent(f"{self._reference.registry} redirects more than {_MAX_REDIRECTS} times")

    async def send_stream(self, method: str, url: str, headers: Mapping[str, str], body: RequestBody) -> httpx.Response:
        """Send a request whose body is written while it is sent. No redirect is followed: it cannot be sent again.

        A 401 raises `TokenExpired` if there is another ``Authorization`` to try.
        """
        if Origin.of(url) == self.origin:
            return await self._send_authorized(method, url, headers, body, self._scope)
        return await self._send(method, url, headers, body, self._is_public())

    def location_of(self, response: httpx.Response, default: str = "") -> str:
        """Return the URL of ``Location``, ``default`` if the response has none; raises `UnsafeAddress`."""
        location = response.headers.get("location", "")
        return resolve_location(str(response.extensions["url"]), location, self.origin) if location else default

    async def request_external(self, method: str, url: str) -> httpx.Response:
        """Send a request to a URL in a manifest and follow redirects, without credentials.

        Raises `UnsafeAddress`, and `InvalidContent` for more than 10 redirects.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._send(method, url, {}, public_only=self._is_public())
            location = response.headers.get("location", "")
            if response.status_code not in _REDIRECTS or not location:
                return response
            await response.aclose()
            url = resolve_redirect(url, location)
        raise InvalidContent(f"{Origin.of(url)} redirects more than {_MAX_REDIRECTS} times")

    async def _send_authorized(
        self, method: str, url: str, headers: Mapping[str, str], content: Content, scope: str
    ) -> httpx.Response:
        """Send a request to the registry's own origin, and carry out the steps of the authorization flow."""
        flow = self._authorizer.flow(url, scope)
        response: httpx.Response | None = None
        result: object = None
        try:
            while True:
                step = flow.send(result)
                if isinstance(step, Send):
                    if response is not None:
                        await response.aclose()
                        if isinstance(content, RequestBody):
                            raise TokenExpired(f"{self.origin.netloc}: the token had expired", host=self.origin.netloc)
                    sent = {**step.headers, **headers}
                    result = response = await self._send(method, url, sent, content)
                    self._peer = self._peer or response.extensions.get("peer") or ""
                elif isinstance(step, NeedHeaders):
                    result = await self._access.keychain.headers(step.url, stale=step.stale)
                elif isinstance(step, NeedToken):
                    result = await self._get_token(step)
                else:
                    result = await self._resolve()
        except StopIteration:
            assert response is not None
            return response
        except PyskopeoError:
            if response is not None:  # the caller gets the error, and cannot close it
                await response.aclose()
            raise

    async def _resolve(self) -> Credentials | HelperHeaders | None:
        return await self._access.keychain.resolve(self._reference.registry, self._reference.repository)

    async def _get_token(self, step: NeedToken) -> BearerToken:
        """Request a token, once for all concurrent requests that need the same one."""
        request, origin = step.request, Origin.of(step.request.url)
        what = f"requesting a token from {origin}"

        async def once() -> BearerToken:
            public_only = origin.host != self.origin.host and self._is_public()
            response = await self._send(request.method, request.url, request.headers, request.content, public_only)
            try:
                limit = TOKEN_LIMIT if response.status_code == 200 else error_response.LIMIT
                body = await read_bounded(response, limit, what, truncate=response.status_code != 200)
            finally:
                await response.aclose()
            if response.status_code != 200:
                raise await self.response_error(response, body, what, got_credentials=True)
            return step.parse(body, time.monotonic())

        def usable(token: BearerToken) -> bool:
            return token.is_usable(time.monotonic(), step.refused)

        return await self._tokens.get(step.scope, partial(self.retry, once, what, last=True), usable=usable)

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
                self._access.report(Requested(request.method, redact_url(url), status, took))
        response.extensions["url"] = url
        limit_body(request, response, self._access.network)
        self._warnings.report_new(response)
        return response

    def _is_public(self) -> bool:
        """Return whether the registry has a public address; through a proxy, judging by its name."""
        host = self._peer or self.origin.host
        try:
            return is_public(host)
        except ValueError:
            return host != "localhost" and not host.endswith(".localhost") and "." in host
