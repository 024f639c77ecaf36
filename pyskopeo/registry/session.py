"""Send requests to one registry: scheme, authorization, redirects, retries.

Redirects are followed here, not below, so that no secret and no request leaves an origin unchecked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..errors import ConnectionFailed, NotFound, PyskopeoError
from ..http.locality import Locality, reach_from
from ..http.origin import Origin, redact_url, resolve_location
from ..http.redactor import Redactor
from ..http.request_body import RequestBody
from ..model.events import Event, Requested
from ..model.reference import Reference
from ..streams.concurrency import SingleFlight
from . import error_response
from .authorization import (
    Authorizer,
    BearerToken,
    NeedChallenges,
    NeedCredentials,
    NeedHeaders,
    NeedToken,
    Send,
    describe_credentials,
)
from .ping import Ping, Pings
from .redirects import follow_redirects
from .request import Content, WarningReporter, build_request

if TYPE_CHECKING:
    from ..access import Access
    from ..credentials.authfile import Credentials
    from ..credentials.bazel_helper import HelperHeaders
    from ..http.messages import Response, SendRequest

T = TypeVar("T")


class TokenExpired(ConnectionFailed):
    """Internal: the response to a request with a streamed body was 401; a new token is ready for another attempt.

    To callers of the library it is a `ConnectionFailed`.
    """


class Session:
    """Sends the requests for one repository to its registry, and to the targets of its redirects.

    ``actions`` are those in the scope of its tokens; with ``exact_scope`` the scope in a challenge is not added to
    them. ``pings`` are shared with other sessions. Raises `NetworkError` and its subclasses, with the secrets that
    ``redactor`` knows taken out of their messages. A response may have any status; it has the status 401 when all
    credentials were refused. ``fastest`` is the least time in seconds in which a response began: that of a round trip,
    or little more.
    """

    def __init__(
        self,
        reference: Reference,
        send: SendRequest,
        access: Access,
        *,
        actions: str = "pull",
        exact_scope: bool = False,
        pings: Pings | None = None,
    ) -> None:
        self._reference = reference
        self._send_request = send
        self._access = access
        self._scheme = ""
        self._origin = Origin.of(f"https://{reference.api_host}")
        self.pings = pings or Pings()
        self._peer = ""
        self.fastest = math.inf
        self._reads_only = actions == "pull" and not exact_scope
        self._scope = f"repository:{reference.repository}:{actions}" if reference.repository else ""
        self._tokens: SingleFlight[str, BearerToken] = SingleFlight()
        self.redactor = Redactor((reference.registry, reference.repository))
        self._warnings = WarningReporter(reference.registry, access.report, self.redactor)
        self._authorizer = Authorizer(
            reference.registry,
            self._tokens.values,
            self.redactor,
            time.monotonic,
            registry_token=access.keychain.registry_token,
            given_credentials=access.keychain.credentials is not None,
            trusted_realms=access.trust.realms,
            insecure=bool(access.trust.insecure),
            exact_scope=exact_scope,
        )

    def report(self, event: Event) -> None:
        """Report an event, without the secrets that this session has sent or received."""
        self._access.report(self.redactor.redact_event(event))

    @property
    def origin(self) -> Origin:
        """The registry's own origin, with https before the scheme is known."""
        return self._origin

    async def retry(self, once: Callable[[], Awaitable[T]], what: str, *, last: bool = False) -> T:
        """Run ``once`` with this access's retry policy; ``what`` names it in events.

        With ``last`` the error that remains is marked as `retried`: no loop around this one retries it again.
        """
        try:
            with self.redactor.redacted_errors():
                return await self._access.network.retry.run(once, what, self.report)
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
        self, response: Response, body: bytes, what: str, *, got_credentials: bool = False
    ) -> PyskopeoError:
        """Return the error for an error response with ``body``, whose message has no secrets of ours.

        The message of a 401 or 403 says which credentials were used if the server received them: the registry itself
        did, others only with ``got_credentials``. Otherwise it names the server.
        """
        status, note, next_step = response.status_code, "", ""
        if status in (401, 403):
            origin = Origin.of(response.url)
            if not got_credentials and origin != self._origin:
                note = f", answered by {origin.netloc}"
            elif self._authorizer.sends_given_token:
                note = ", tried the given registry token"
            else:
                found = await self._resolve()
                note = describe_credentials(found)
                if found is None or status == 401 or got_credentials:  # a 403 of the registry: they are good
                    next_step = error_response.login_advice(
                        self._reference.registry,
                        self._access.network.program,
                        stored=self._access.keychain.credentials is None,
                        found=found is not None,
                        may_be_public=self._reads_only,
                    )
        error = error_response.error_from_response(
            status,
            body,
            what,
            retry_after=response.headers.get("retry-after"),
            challenges=response.headers.get_list("www-authenticate"),
            note=note,
            redact=self.redactor.redact,
        )
        # A registry that names the repository as unknown has no tags to list.
        if isinstance(error, NotFound) and what != error_response.FETCHING_TAGS and "name unknown" not in str(error):
            flag = "--tls-verify=false " if self._access.trust.insecure else ""
            next_step = f"; for its tags: {self._access.network.program} list-tags {flag}docker://{self._reference.name}"
        error.args = (f"{error}{next_step}", *error.args[1:])
        return self._access.network.retry.check_wait(error, self._reference.registry)

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], *, content: bytes = b"", extra_scope: str = ""
    ) -> Response:
        """Send an authorized request to the registry and follow redirects, to other origins without secrets.

        ``path`` may be an absolute URL, from a ``Location`` of the registry. ``extra_scope`` is a scope that the
        token needs besides this repository's. Raises `UnsafeAddress`, and `InvalidContent` for circular redirects or
        more than 10 of them.
        """
        network = self._access.network
        if network.offline:  # before credentials are looked up
            network.check_online(f"{method} {path} at {self._reference.registry}")
        if not self._scheme:
            self._scheme = await self.pings.scheme(self._reference.api_host, self._access.trust, self._get)
            self._origin = Origin.of(f"{self._scheme}://{self._reference.api_host}")
        scope = f"{self._scope} {extra_scope}".strip() if extra_scope else self._scope

        async def send(url: str) -> Response:
            if Origin.of(url) == self._origin:
                return await self._send_authorized(method, url, headers, content, scope)
            return await self.send_elsewhere(method, url, headers, content)

        url = f"{self.origin}{path}" if path.startswith("/") else path
        with self.redactor.redacted_errors():
            return await follow_redirects(url, send, self._reference.registry)

    async def send_stream(self, method: str, url: str, headers: Mapping[str, str], body: RequestBody) -> Response:
        """Send a request whose body is written while it is sent. No redirect is followed: it cannot be sent again.

        A 401 raises `TokenExpired` if there is another ``Authorization`` to try.
        """
        with self.redactor.redacted_errors():
            if Origin.of(url) == self._origin:
                return await self._send_authorized(method, url, headers, body, self._scope)
            return await self.send_elsewhere(method, url, headers, body)

    def location_of(self, response: Response, default: str = "") -> str:
        """Return the URL of ``Location``, ``default`` if the response has none; raises `UnsafeAddress`."""
        location = response.headers.get("location", "")
        with self.redactor.redacted_errors():
            return resolve_location(response.url, location, self.origin) if location else default

    async def request_external(self, method: str, url: str) -> Response:
        """Send a request to a URL in a manifest and follow redirects, without credentials.

        Raises `UnsafeAddress`, and `InvalidContent` for more than 10 redirects.
        """
        with self.redactor.redacted_errors():
            return await follow_redirects(url, partial(self.send_elsewhere, method), Origin.of(url).netloc)

    async def send_elsewhere(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: Content = b""
    ) -> Response:
        """Send a request to a URL that the registry gave, which may be of any origin, with these headers only.

        No redirect is followed. Raises `UnsafeAddress` if the server's address is more local than the registry's.
        """
        self.redactor.add_url(url)
        reach = reach_from(self.origin.host, self._peer, Origin.of(url).host)
        return await self._send(method, url, headers or {}, content, reach)

    async def _send_authorized(
        self, method: str, url: str, headers: Mapping[str, str], content: Content, scope: str
    ) -> Response:
        """Send a request to the registry's own origin, and carry out the steps of the authorization flow."""
        flow = self._authorizer.flow(url, scope)
        response: Response | None = None
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
                    self._peer = self._peer or response.peer
                else:
                    result = await self._result_of(step)
        except StopIteration:
            assert response is not None
            return response
        except PyskopeoError:
            if response is not None:  # the caller gets the error, and cannot close it
                await response.aclose()
            raise

    async def _result_of(self, step: NeedHeaders | NeedCredentials | NeedChallenges | NeedToken) -> object:
        """Return the result of a step of the authorization flow."""
        match step:
            case NeedHeaders():
                return await self._access.keychain.headers(step.url, stale=step.stale)
            case NeedCredentials():
                return await self._resolve()
            case NeedChallenges():
                return (await self._ping()).challenges
            case NeedToken():
                return await self._get_token(step)

    async def _resolve(self) -> Credentials | HelperHeaders | None:
        return await self._access.keychain.resolve(self._reference.registry, self._reference.repository)

    async def _ping(self) -> Ping:
        url, network = f"{self.origin}/v2/", self._access.network
        found = await self.pings.settled(self._access.trust, self._get, url, network.retry, self)
        self._peer = self._peer or found.peer
        return found

    async def _get(self, url: str) -> Response:
        return await self._send("GET", url, {})

    async def _get_token(self, step: NeedToken) -> BearerToken:
        """Request a token, once for all concurrent requests that need the same one."""

        def usable(token: BearerToken) -> bool:
            return token.is_usable(time.monotonic(), step.refused)

        what = f"requesting a token from {Origin.of(step.request.url)}"

        from .token_fetch import fetch_token

        async def once() -> BearerToken:
            body = await fetch_token(self, step.request, what, insecure=bool(self._access.trust.insecure))
            return step.parse(body, time.monotonic())

        return await self._tokens.get(step.scope, partial(self.retry, once, what, last=True), usable=usable)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: Content = b"", reach: Locality | None = None
    ) -> Response:
        request = build_request(method, url, headers, content, self._access.network, reach=reach)
        started, status = time.monotonic(), 0
        try:
            response = await self._send_request(request)
            status = response.status_code
        finally:
            took = time.monotonic() - started
            self.fastest = min(self.fastest, took) if status else self.fastest
            self.report(Requested(method, redact_url(url), status, round(took, 3)))
        response.url = url
        if (quotas := self._access.network.retry.quotas) is not None and Origin.of(url) == self._origin:
            quotas.note(self._reference.registry, status, response.headers)
        self._warnings.report_new(response)
        return response
