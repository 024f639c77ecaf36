"""Follow redirects (RFC 9110 section 15.4) with the same method, each to a URL that its sender checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..errors import InvalidContent
from ..http.messages import Response
from ..http.origin import resolve_redirect
from ..http.response_head import REDIRECTS

_MAX_REDIRECTS = 10


def redirect_target(url: str, response: Response) -> str:
    """Return where the ``response`` to a request for ``url`` redirects to; "" if it is no redirect.

    Raises `UnsafeAddress` for a redirect from https to plain http at another host, and to anything but http and https.
    """
    if response.status_code not in REDIRECTS:
        return ""
    location = response.headers.get("location", "")
    return resolve_redirect(url, location) if location else ""


async def follow_redirects(url: str, send: Callable[[str], Awaitable[Response]], who: str) -> Response:
    """Return the response of ``send(url)``, or of the last request if it redirects; ``who`` is named in errors.

    Raises what ``send`` raises, `UnsafeAddress`, and `InvalidContent` for circular redirects or more than 10 redirects.
    """
    seen = {url}
    for _ in range(_MAX_REDIRECTS + 1):
        response = await send(url)
        try:
            target = redirect_target(url, response)
        except BaseException:
            await response.aclose()
            raise
        if not target:
            return response
        await response.aclose()
        if target in seen:
            raise InvalidContent(f"{who} redirects in a circle")
        seen.add(url := target)
    raise InvalidContent(f"{who} redirects more than {_MAX_REDIRECTS} times")
