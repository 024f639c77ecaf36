"""Requests to a web service that signing needs: a certificate authority, a log, an issuer of tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

from ..errors import InvalidInput, RegistryError, UnsafeAddress, prefix_errors
from ..fast_dataclass import dataclass
from ..http.origin import Origin, redact_url
from ..http.printable import to_printable
from ..http.redactor import Redactor
from ..http.retry_after import parse_retry_after
from ..model.events import Report, Requested, Warned, ignore

if TYPE_CHECKING:
    import ssl

    from ..access import Network
    from ..http.messages import Request, Response, SendRequest
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
        from ..http.read_bounded import read_bounded
        from ..http.request_url import request_to

        network, report = self._access.network, self._access.report
        network.check_online(f"{method} {redact_url(url)}")
        request = request_to(method, url, network.user_agent, headers, content)
        async with self._open_sender() as send:
            started, status = time.monotonic(), 0
            try:
                response = await send(request)
                status = response.status_code
            finally:
                report(Requested(method, redact_url(url), status, round(time.monotonic() - started, 3)))
            refused = status >= 300
            try:
                limit = _ERROR_LIMIT if refused else ANSWER_LIMIT
                body = await read_bounded(response, limit, self.what, truncate=refused)
            finally:
                await response.aclose()
        return Answer(status, dict(response.headers), body)

    @asynccontextmanager
    async def _open_sender(self) -> AsyncIterator[SendRequest]:
        """Yield a function that sends a request: by `Network.client`, or by connections that are closed after."""
        access, network = self._access, self._access.network
        if network.client is not None:
            from ..http.httpx_adapter import client_sender

            yield client_sender(network.client, network, self.what)
            return
        from ..http.connect import Connector
        from ..http.transport import HTTPTransport

        @cache
        def context() -> ssl.SSLContext:
            return _tls_context(access)

        connector = Connector(
            lambda _: context(),
            lambda origin: network.proxies.for_url(origin.scheme, origin.host, origin.port),
            network.connect_timeout, network.stall_timeout, network.response_timeout,
            rate_limits=network.rate_limits,
        )  # fmt: skip
        async with HTTPTransport(connector) as transport:

            async def send(request: Request) -> Response:
                with prefix_errors(self._name):
                    return await transport.send(request)

            yield send


def _tls_context(access: ServiceAccess) -> ssl.SSLContext:
    context = access.trust.default_context(lambda message: access.report(Warned(message)), defer=True)
    if access.trust.details is not None:
        access.trust.details.apply(context)
    return context
