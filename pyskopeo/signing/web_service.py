"""Requests to a web service that signing needs: a certificate authority, a log, an issuer of tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from ..errors import ConnectionFailed, InvalidInput, RegistryError, UnsafeAddress, prefix_errors
from ..fast_dataclass import dataclass
from ..http.origin import Origin, redact_url
from ..http.printable import to_printable
from ..http.redactor import Redactor
from ..http.retry_after import parse_retry_after
from ..model.events import Report, Requested, Warned, ignore

if TYPE_CHECKING:
    import ssl

    from ..access import Network
    from ..http.limited_stream import SendRequest
    from ..http.tls import Trust

ANSWER_LIMIT = 1024 * 1024
"""The maximum size of an answer in bytes."""

_ERROR_LIMIT = 16 * 1024  # bytes that are read of an error response
_SHOWN = 300  # characters of them


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request; ``headers`` have names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, repr=False)
class ServiceAccess:
    """How services are reached: ``network`` and ``trust`` as for a registry, but without certificates of its own.

    ``report`` gets warnings, requests and retries.
    """

    network: Network
    trust: Trust
    report: Report = ignore


class WebService:
    """One service, ``what`` in messages, at the base URL ``url``; raises `InvalidInput` for one that is none.

    What is added to ``redactor`` is in no message.
    """

    def __init__(self, what: str, url: str, access: ServiceAccess) -> None:
        try:
            self.origin = Origin.of(url)
        except UnsafeAddress as error:
            raise InvalidInput(f"{what}: {error}") from None
        self.what, self.redactor = f"{what} {self.origin}", Redactor()
        self._name = what.removesuffix(" at")
        self._url, self._access = url.rstrip("/"), access

    def warn_without_tls(self, secret: str) -> None:
        """Report a warning if what is sent to the service can be read by others."""
        if self.origin.scheme != "https":
            self._access.report(Warned(f"{secret} is sent to {self.origin} without TLS"))

    async def get(self, path: str) -> Answer:
        """Request ``path`` below the base URL; see `request`."""
        return await self.request("GET", path, {"Accept": "application/json"}, b"")

    async def request(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> Answer:
        """Return the answer to a request of ``path``, which is below the base URL, whatever its status.

        429 and 5xx are retried, and then raised as `RegistryError`. Redirects are not followed: a request may have a
        token in it. Raises `NetworkError`, `TooLarge` and `Offline`.
        """
        retry = self._access.network.retry

        async def once() -> Answer:
            answer = await self._send(method, self._url + path, headers, content)
            if answer.status == 429 or answer.status >= 500:
                raise retry.check_wait(self.error(answer))
            return answer

        return await retry.run(once, self.what, self._access.report)

    def error(self, answer: Answer) -> RegistryError:
        """Return the error for a response that is not what was asked for, with the beginning of its body."""
        if "location" in answer.headers and 300 <= answer.status < 400:
            target = to_printable(redact_url(answer.headers["location"]), _SHOWN)
            return RegistryError(f"{self.what} redirects to {target}, which is not followed", status=answer.status)
        said = to_printable(self.redactor.redact(answer.body.decode("utf-8", "replace")), _SHOWN)
        return RegistryError(
            f"{self.what}: status {answer.status}" + (f": {said}" if said else ""),
            status=answer.status,
            retry_after=parse_retry_after(answer.headers.get("retry-after")),
        )

    async def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        from ..http.httpx_import import httpx
        from ..http.read_bounded import read_bounded

        network, report = self._access.network, self._access.report
        network.check_online(f"{method} {redact_url(url)}")
        complete = {"User-Agent": network.user_agent, "Accept-Encoding": "identity", **headers}
        timeout = httpx.Timeout(network.stall_timeout, connect=network.connect_timeout, read=network.response_timeout)
        request = httpx.Request(
            method, url, headers=complete, content=content or None, extensions={"timeout": timeout.as_dict()}
        )
        async with _open_sender(self._access) as send:
            started, status = time.monotonic(), 0
            try:
                with prefix_errors(self._name):
                    response = await send(request)
                status = response.status_code
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
                raise ConnectionFailed(f"{self.what}: {reason}", host=self.origin.netloc) from error
            finally:
                report(Requested(method, redact_url(url), status, round(time.monotonic() - started, 3)))
            request.extensions["timeout"]["read"] = network.stall_timeout
            response.extensions["time_limits"] = network.stall_timeout, network.response_timeout
            refused = status >= 300
            try:
                limit = _ERROR_LIMIT if refused else ANSWER_LIMIT
                body = await read_bounded(response, limit, self.what, truncate=refused)
            finally:
                await response.aclose()
        return Answer(status, {name.lower(): value for name, value in response.headers.items()}, body)


@asynccontextmanager
async def _open_sender(access: ServiceAccess) -> AsyncIterator[SendRequest]:
    """Yield a function that sends a request of httpx: by `Network.client`, or by connections that are closed after."""
    network = access.network
    if network.client is not None:
        yield partial(network.client.send, stream=True, auth=None, follow_redirects=False)
        return
    from ..http.connect import Connector
    from ..http.transport import HTTPTransport

    @cache
    def context(_: None) -> ssl.SSLContext:
        found = access.trust.default_context(lambda message: access.report(Warned(message)))
        if access.trust.details is not None:
            access.trust.details.apply(found)
        return found

    connector = Connector(
        lambda _: context(None),
        lambda origin: network.proxies.for_url(origin.scheme, origin.host, origin.port),
        network.connect_timeout, network.stall_timeout, network.response_timeout,
        rate_limits=network.rate_limits,
    )  # fmt: skip
    async with HTTPTransport(connector) as transport:
        yield transport.handle_async_request
