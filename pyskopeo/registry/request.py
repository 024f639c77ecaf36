"""Build requests, and report the warnings of servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from ..http.messages import Request, Response
from ..http.origin import redact_url
from ..http.printable import to_printable
from ..http.redactor import Redactor
from ..http.request_body import RequestBody
from ..http.request_url import request_to
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
) -> Request:
    """Return a request with the User-Agent of ``network``; raises `Offline`, and as `request_to`.

    The transport refuses addresses that are more local than ``reach``; None allows all.
    """
    if network.offline:
        network.check_online(f"{method} {redact_url(url)}")
    return request_to(method, url, network.user_agent, headers, content, reach=reach)


class WarningReporter:
    """Reports warnings about one registry, each of them once and at most 20.

    Those of the registry itself are ``Warning: 299 - "text"`` headers (distribution specification, "Warnings").
    """

    def __init__(self, registry: str, report: Report, redactor: Redactor) -> None:
        self._registry = registry
        self._report = report
        self._redactor = redactor
        self._reported: set[str] = set()

    def report_new(self, response: Response) -> None:
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
