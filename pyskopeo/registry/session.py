"""Requests to one registry: scheme, authorization, redirects under our own rules, retries."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import urlsplit

from ..credentials.authfile import Credentials
from ..errors import ConnectionFailed, InvalidContent, PyskopeoError
from ..http.httpx_import import httpx
from ..http.origin import Origin, follow, is_public, join, shown
from ..http.printable import clean
from ..http.read_bounded import read_bounded
from ..http.request_body import Outgoing
from ..model.events import Requested, Warned
from ..model.reference import Reference
from . import error_response
from .authorization import Authorizer
from .challenge import TOKEN_LIMIT, TokenRequest
from .scheme import find_scheme

if TYPE_CHECKING:
    from ..access import Access

T = TypeVar("T")
Send: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_HOPS = 10


class TokenExpired(ConnectionFailed):
    """Internal: a request with a streamed body was answered 401; a new token is ready for another attempt.

    To callers of the library it is a `ConnectionFailed`.
    """


class Session:
    """Everything sent on behalf of one reference goes through here.

    Raises `NetworkError` and its kind; answers with any status but 401 that could be answered.
    """

    def __init__(self, reference: Reference, send: Send, access: Access, *, actions: str = "pull") -> None:
        self._reference = reference
        self._send_request = send
        self._access = access
        self._scheme = ""
        self._peer = ""
        self._warned: set[str] = set()
        self._scope = f"repository:{reference.repository}:{actions}"
        self._authorizer = Authorizer(
            reference.registry,
            credentials=self.credentials,
            fetch=self._fetch_token,
            trusted_realms=access.trust.realms,
            registry_token=access.keychain.registry_token,
            insecure=bool(access.trust.insecure),
        )

    @property
    def base(self) -> Origin:
        """The registry's own origin, as far as known."""
        return Origin.of(f"{self._scheme or 'https'}://{self._reference.api_host}")

    async def retry(self, once: Callable[[], Awaitable[T]], what: str) -> T:
        """Run with this access's retry policy."""
        return await self._access.network.retry.run(once, what, self._access.report)

    async def credentials(self) -> Credentials | None:
        return await self._access.keychain.resolve(self._reference.registry, self._reference.repository)

    async def tried(self) -> str:
        """For a refusal: which credentials were tried. Never the secret."""
        if self._access.keychain.registry_token:
            return ", tried the given registry token"
        place = f"{self.base}/v2/{self._reference.repository}/tags/list"
        if "Authorization" in (await self._access.keychain.headers(place) or {}):
            return ", tried what the credential helper gave"
        credentials = await self.credentials()
        if credentials is None:
            return ", tried without credentials"
        return ", tried an identity token" if credentials.identity_token else f", tried as user {credentials.username}"

    async def explain(
        self, response: httpx.Response, body: bytes, what: str, *, known: bool = False
    ) -> PyskopeoError:
        """The error for a refusal with ``body``, which may repeat what it was sent. It is from one who
        has seen our credentials if ``known``, as the registry itself has; whoever it sent us to has not."""
        tried = ""
        if response.status_code in (401, 403):
            there = Origin.of(str(response.extensions["url"]))
            tried = await self.tried() if known or there == self.base else f", answered by {there.netloc}"
        retry_after = response.headers.get("retry-after")
        return error_response.explain(
            response.status_code, body, what, retry_after=retry_after, tried=tried, hide=self._authorizer.hide
        )

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], *, content: bytes = b"", also: str = ""
    ) -> httpx.Response:
        """Send to the registry, authorized; follow redirects, to which no secret goes.

        ``path`` may be an absolute URL, which is where the registry said to go on. ``also`` is a
        scope that is needed besides this repository's.
        """
        if not self._scheme:
            await self._find_scheme()
        url = f"{self.base}{path}" if path.startswith("/") else path
        scope = f"{self._scope} {also}" if also else self._scope
        seen = {url}
        for _ in range(_MOST_HOPS):
            if Origin.of(url) == self.base:
                response = await self._authorized(method, url, headers, content, scope)
            else:
                response = await self._plain(method, url, headers, content)
            location = response.headers.get("location", "")
            if response.status_code not in _REDIRECTS or not location:
                return response
            await response.aclose()
            url = follow(url, location)
            if url in seen:
                raise InvalidContent(f"{self._reference.registry} redirects in a circle")
            seen.add(url)
        raise InvalidContent(f"{self._reference.registry} redirects more than {_MOST_HOPS} times")

    async def send_stream(
        self, method: str, url: str, headers: Mapping[str, str], body: Outgoing
    ) -> httpx.Response:
        """Send a request whose body is written meanwhile, so that it cannot be repeated here: no
        redirect is followed, and a 401 raises `TokenExpired` if there is a new one for another try."""
        if Origin.of(url) != self.base:
            return await self._send(method, url, headers, content=body, public_only=await self._is_public())
        used = await self._who_we_are(url, self._scope)
        response = await self._send(method, url, {**used, **headers}, content=body)
        if response.status_code == 401 and await self._something_better(response, self._scope, used, url):
            await response.aclose()
            raise TokenExpired(f"{self.base.netloc}: the token had expired", host=self.base.netloc)
        return response

    def located(self, response: httpx.Response, default: str = "") -> str:
        """Where the registry says to go on, ``default`` where it does not say; raises `UnsafeAddress`.

        A registry behind a proxy may not know that it is reached by https: its own host is believed
        the host, not the rest.
        """
        location = response.headers.get("location", "")
        if not location:
            return default
        current = str(response.extensions["url"])
        target = join(current, location)
        origin, base = Origin.of(target), self.base
        if (origin.scheme, base.scheme) == ("http", "https") and origin.host == base.host:
            target = urlsplit(target)._replace(scheme=base.scheme, netloc=base.netloc).geturl()
        return follow(current, target)

    async def fetch_elsewhere(self, method: str, url: str) -> httpx.Response:
        """Send to an address found in content: no credentials, redirects included."""
        for _ in range(_MOST_HOPS):
            response = await self._plain(method, url, {})
            location = response.headers.get("location", "")
            if response.status_code not in _REDIRECTS or not location:
                return response
            await response.aclose()
            url = follow(url, location)
        raise InvalidContent(f"{Origin.of(url)} redirects more than {_MOST_HOPS} times")

    async def _authorized(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, scope: str
    ) -> httpx.Response:
        used = await self._who_we_are(url, scope)
        for _ in range(2):
            response = await self._send(method, url, {**used, **headers}, content=content)
            if response.status_code != 401:
                return response
            better = await self._something_better(response, scope, used, url)
            if better is None:
                return response
            await response.aclose()
            used = better
        return await self._send(method, url, {**used, **headers}, content=content)

    async def _who_we_are(self, url: str, scope: str) -> Mapping[str, str]:
        """What only our own origin is sent: a helper's headers for it, and what the authorizer has besides."""
        told = await self._access.keychain.headers(url) or {}
        self._authorizer.remember(*_secrets(told))
        value = "" if "Authorization" in told else await self._authorizer.header(scope)
        return {**told, "Authorization": value} if value else told

    async def _something_better(
        self, response: httpx.Response, scope: str, used: Mapping[str, str], url: str
    ) -> Mapping[str, str] | None:
        """What to try after a 401 to a request with ``used``; None: the refusal is final."""
        keychain = self._access.keychain
        told = await keychain.headers(url) or {}
        if "Authorization" in told:
            if told == used:
                told = await keychain.headers(url, stale=used) or {}
                self._authorizer.remember(*_secrets(told))
            return told if told and told != used else None
        value = await self._authorizer.answer(response, scope, used.get("Authorization", ""), url)
        return {**told, "Authorization": value} if value else None

    async def _plain(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> httpx.Response:
        return await self._send(method, url, headers, content=content, public_only=await self._is_public())

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        content: bytes | Outgoing = b"",
        public_only: bool = False,
    ) -> httpx.Response:
        # Built by hand: the client's own builder adds cookies and an Accept-Encoding.
        network = self._access.network
        complete = {"User-Agent": network.user_agent, "Accept-Encoding": "identity", **headers}
        timeout = httpx.Timeout(network.stall_timeout, connect=network.connect_timeout).as_dict()
        extensions = {"public_only": public_only, "timeout": timeout}
        try:
            if isinstance(content, Outgoing):
                complete["Host"] = Origin.of(url).netloc  # which httpx leaves to whoever brings a stream
                request = httpx.Request(method, url, headers=complete, stream=content, extensions=extensions)
            else:
                request = httpx.Request(method, url, headers=complete, content=content or None, extensions=extensions)
            response = await self._timed(request, url)
        except httpx.TransportError as error:
            where = Origin.of(url).netloc
            raise ConnectionFailed(f"{where}: {str(error) or type(error).__name__}", host=where) from error
        except (httpx.InvalidURL, UnicodeError) as error:  # the latter from names that are not what they seem
            raise InvalidContent(f"{Origin.of(url)}: not a URL that can be asked for: {error}") from None
        response.extensions["url"] = url
        self._show_warnings(response)
        if not self._peer and Origin.of(url) == self.base:
            self._peer = response.extensions.get("peer") or ""
        return response

    async def _timed(self, request: httpx.Request, url: str) -> httpx.Response:
        started, status = time.monotonic(), 0
        try:
            response = await self._send_request(request)
            status = response.status_code
        finally:
            self._access.report(Requested(request.method, shown(url), status, round(time.monotonic() - started, 3)))
        return response

    async def _find_scheme(self) -> None:
        """https, unless it is not there and the user allowed plain http."""
        if not self._access.trust.insecure:
            self._scheme = "https"
            return
        self._scheme = await find_scheme(self._reference.api_host, lambda url: self._send("GET", url, {}))

    async def _is_public(self) -> bool:
        """Whether the registry itself is on the internet; behind a proxy, by its name."""
        host = self._peer or self.base.host
        try:
            return is_public(host)
        except ValueError:
            return host != "localhost" and not host.endswith(".localhost") and "." in host

    async def _fetch_token(self, wanted: TokenRequest) -> bytes:
        where = f"requesting a token from {Origin.of(wanted.url)}"

        async def once() -> bytes:
            response = await self._send_token_request(wanted)
            try:
                limit = TOKEN_LIMIT if response.status_code == 200 else error_response.LIMIT
                body = await read_bounded(response, limit, where, cut=response.status_code != 200)
            finally:
                await response.aclose()
            if response.status_code != 200:
                raise await self.explain(response, body, where, known=True)
            return body

        return await self.retry(once, where)

    async def _send_token_request(self, wanted: TokenRequest) -> httpx.Response:
        own = Origin.of(wanted.url).host == self.base.host
        public_only = not own and await self._is_public()
        return await self._send(
            wanted.method, wanted.url, wanted.headers, content=wanted.content, public_only=public_only
        )

    def _show_warnings(self, response: httpx.Response) -> None:
        """``Warning: 299 - "text"``, once per text (distribution specification, "Warnings")."""
        for value in response.headers.get_list("warning"):
            if value.startswith("299 ") and value not in self._warned and len(self._warned) < 20:
                self._warned.add(value)
                said = self._authorizer.hide(value[4:].lstrip("- "))
                self._access.report(Warned(f"{self._reference.registry} says: {clean(said)}"))


def _secrets(headers: Mapping[str, str]) -> list[str]:
    """What may be a secret in a helper's headers: each value, and its part after the scheme."""
    return [part for value in headers.values() for part in (value, value.rpartition(" ")[2])]
