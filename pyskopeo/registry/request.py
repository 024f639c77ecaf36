"""Build requests of httpx, map its errors, and report the warnings of servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from ..errors import ConnectionFailed, InvalidContent
from ..http.httpx_import import httpx
from ..http.origin import Origin, redact_url
from ..http.printable import to_printable
from ..http.redactor import Redactor
from ..http.request_body import RequestBody
from ..model.events import Report, Warned

if TYPE_CHECKING:
    from ..access import Network
    from ..http.locality import Locality

Content: TypeAlias = bytes | RequestBody
_MAX_WARNINGS = 20
# Characters.
_MAX_WARNING_LENGTH = 600


def build_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: Content,
    network: Network,
    *,
    reach: Locality | None,
) -> httpx.Request:
    """Return a request with the timeouts and the User-Agent of ``network``; those for reading are of its head.

    The transport refuses addresses that are more local than ``reach``; None allows all. Raises `Offline`.
    """
    network.check_online(f"{method} {redact_url(url)}")
    # Not by httpx.Client.build_request, which adds cookies and an Accept-Encoding.
    complete = {"User-Agent": network.user_agent, "Accept-Encoding": "identity", **headers}
    timeout = httpx.Timeout(
        network.stall_timeout, connect=network.connect_timeout, read=network.response_timeout
    ).as_dict()
    extensions = {"reach": reach, "timeout": timeout}
    if isinstance(content, RequestBody):
        complete["Host"] = Origin.of(url).netloc  # httpx does not add it to a request with a stream
        return httpx.Request(method, url, headers=complete, stream=content, extensions=extensions)
    return httpx.Request(method, url, headers=complete, content=content or None, extensions=extensions)


def limit_body(request: httpx.Request, response: httpx.Response, network: Network) -> None:
    """Set the time limits of the body of a response, whose head has been read."""
    request.extensions["timeout"]["read"] = network.stall_timeout
    response.extensions["time_limits"] = network.stall_timeout, network.response_timeout


@contextmanager
def httpx_errors(url: str) -> Iterator[None]:
    """Raise `ConnectionFailed` or `InvalidContent` in place of httpx's errors, for a request to ``url``."""
    try:
        yield
    except httpx.TransportError as error:
        where = Origin.of(url).netloc
        raise ConnectionFailed(f"{where}: {str(error) or type(error).__name__}", host=where) from error
    except (httpx.InvalidURL, UnicodeError) as error:  # UnicodeError for invalid internationalized host names
        raise InvalidContent(f"{Origin.of(url)}: not a URL that can be asked for: {error}") from None


class WarningReporter:
    """Reports warnings about one registry, each of them once and at most 20.

    Those of the registry itself are ``Warning: 299 - "text"`` headers (distribution specification, "Warnings").
    """

    def __init__(self, registry: str, report: Report, redactor: Redactor) -> None:
        self._registry = registry
        self._report = report
        self._redactor = redactor
        self._reported: set[str] = set()

    def report_new(self, response: httpx.Response) -> None:
        """Report the registry's warnings in ``response`` that have not been reported yet."""
        for value in response.headers.get_list("warning"):
            if value.startswith("299 "):
                text = self._redactor.redact(value[4:].lstrip("- "))
                self.report_once(f"{self._registry} says: {to_printable(text)}", value)

    def report_once(self, message: str, key: str) -> None:
        """Report ``message``, without secrets, unless a warning with this ``key`` has been reported."""
        if key not in self._reported and len(self._reported) < _MAX_WARNINGS:
            self._reported.add(key)
            self._report(Warned(to_printable(self._redactor.redact(message), _MAX_WARNING_LENGTH)))
