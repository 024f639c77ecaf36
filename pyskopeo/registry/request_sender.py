"""Sending one request for a registry: headers and time limits, errors of httpx, events, warnings of the server."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from ..errors import ConnectionFailed, InvalidContent
from ..http.httpx_import import httpx
from ..http.origin import Origin, shown
from ..http.printable import clean
from ..http.request_body import Outgoing
from ..model.events import Report, Requested, Warned
from .redactor import Redactor

if TYPE_CHECKING:
    from ..access import Network

SendRequest: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]
_MAX_WARNINGS = 20


class RequestSender:
    """Sends requests as they are, to any server that ``registry`` leads to; ``send`` is the transport's."""

    def __init__(
        self, registry: str, send: SendRequest, network: Network, report: Report, redactor: Redactor
    ) -> None:
        self._registry = registry
        self._send = send
        self._network = network
        self._report = report
        self._redactor = redactor
        self._warnings: set[str] = set()

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        content: bytes | Outgoing = b"",
        public_only: bool = False,
    ) -> httpx.Response:
        """Send a request and return the response, whatever its status, with ``extensions["url"]`` the URL.

        With ``public_only`` no address is connected to that is not on the internet. Raises `NetworkError`, and
        `InvalidContent` for what is no URL.
        """
        # Built by hand: the client's own builder adds cookies and an Accept-Encoding.
        complete = {"User-Agent": self._network.user_agent, "Accept-Encoding": "identity", **headers}
        timeout = httpx.Timeout(self._network.stall_timeout, connect=self._network.connect_timeout).as_dict()
        extensions = {"public_only": public_only, "timeout": timeout}
        try:
            if isinstance(content, Outgoing):
                complete["Host"] = Origin.of(url).netloc  # which httpx leaves out of a request with a stream
                request = httpx.Request(method, url, headers=complete, stream=content, extensions=extensions)
            else:
                request = httpx.Request(method, url, headers=complete, content=content or None, extensions=extensions)
            started, status = time.monotonic(), 0
            try:
                response = await self._send(request)
                status = response.status_code
            finally:
                self._report(Requested(request.method, shown(url), status, round(time.monotonic() - started, 3)))
        except httpx.TransportError as error:
            where = Origin.of(url).netloc
            raise ConnectionFailed(f"{where}: {str(error) or type(error).__name__}", host=where) from error
        except (httpx.InvalidURL, UnicodeError) as error:  # the latter from names that are not what they seem
            raise InvalidContent(f"{Origin.of(url)}: not a URL that can be asked for: {error}") from None
        response.extensions["url"] = url
        self._report_warnings(response)
        return response

    def _report_warnings(self, response: httpx.Response) -> None:
        """``Warning: 299 - "text"``, once per text (distribution specification, "Warnings")."""
        for value in response.headers.get_list("warning"):
            if value.startswith("299 ") and value not in self._warnings and len(self._warnings) < _MAX_WARNINGS:
                self._warnings.add(value)
                text = self._redactor.redact(value[4:].lstrip("- "))
                self._report(Warned(f"{self._registry} says: {clean(text)}"))
