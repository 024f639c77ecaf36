"""``GET /v2/`` of registries: whether they use https or plain http, and which credentials they ask for.

Distribution specification 1.1, "Determining Support". A registry may ask for credentials there alone, and show less to
those who come without: a 404 in place of a manifest, a shorter list of tags.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..errors import (
    CertificateNotTrusted,
    ConnectionFailed,
    HandshakeFailed,
    NetworkError,
    PyskopeoError,
    RegistryError,
    UnsafeAddress,
)
from ..fast_dataclass import dataclass, replace
from ..http.messages import Response
from ..http.origin import Origin
from ..streams.concurrency import SingleFlight
from .error_response import error_from_response
from .redirects import redirect_target
from .whole_posts import WholePosts

if TYPE_CHECKING:
    from ..http.retry import Retry
    from ..http.tls import Trust
    from ..model.events import Event

Get: TypeAlias = Callable[[str], Awaitable[Response]]
KEEPS_SIGNATURES = "x-registry-supports-signatures"
"""The header of a registry that keeps signatures; its value is 1 then."""
# Redirects included.
_MAX_REQUESTS = 5


@dataclass(frozen=True, slots=True)
class Ping:
    """The response to ``GET /v2/``.

    ``challenges`` are the values of ``WWW-Authenticate`` if the status is 401. ``keeps_signatures`` is whether the
    registry says that it keeps signatures (``X-Registry-Supports-Signatures``). ``peer`` is the IP address of the
    registry, "" through a proxy. ``retry_after`` is the header of that name. ``final`` is True after the last retry.
    """

    status: int
    challenges: tuple[str, ...] = ()
    peer: str = ""
    retry_after: str | None = None
    final: bool = False
    keeps_signatures: bool = False

    @property
    def temporary(self) -> bool:
        """Whether the same request may get another response later, and is to be retried."""
        return not self.final and (self.status in (408, 425, 429) or self.status >= 500)


class Client(Protocol):
    """What is needed of `registry.session.Session`."""

    def report(self, event: Event) -> None:
        """Report an event."""
        ...

    def warn_once(self, message: str, key: str = "") -> None:
        """Report a warning, unless it was reported before."""
        ...


class Pings:
    """The responses of registries to ``GET /v2/``, requested once each for all sessions that share this object.

    ``get`` sends a GET for a URL, without credentials, and raises `NetworkError`. ``keep_signatures`` are the origins
    that were asked besides whether they keep signatures, and their answers; ``whole_posts`` is what is known of their
    uploads.
    """

    def __init__(self) -> None:
        self.keep_signatures: dict[Origin, bool] = {}
        self.whole_posts = WholePosts()
        self._schemes: SingleFlight[tuple[str, Trust], str] = SingleFlight()
        self._broken: dict[tuple[str, Trust], Ping] = {}
        self._responses: SingleFlight[tuple[str, Trust], Ping] = SingleFlight()

    async def scheme(self, host: str, trust: Trust, get: Get) -> str:
        """Return the scheme of ``host``, https unless ``trust`` allows plain http. Raises as `probe_scheme` does."""
        if not trust.insecure:
            return "https"
        return await self._schemes.get((host, trust), partial(probe_scheme, host, partial(self.response, trust, get)))

    def keeps_signatures(self, url: str) -> bool:
        """Return whether a response to a GET for ``url``, if there was one, said so; nothing is requested."""
        return any(ping.keeps_signatures for (asked, _), ping in self._responses.values.items() if asked == url)

    async def response(self, trust: Trust, get: Get, url: str) -> Ping:
        """Return the response to a GET for ``url``, the ``/v2/`` of a registry; a temporary one is not kept."""
        return await self._responses.get(
            (url, trust), partial(_request, url, get), usable=lambda found: not found.temporary
        )

    async def settled(self, trust: Trust, get: Get, url: str, retry: Retry, client: Client) -> Ping:
        """Return the response to a GET for ``url``, after retries; raises `NetworkError`.

        If the server fails (status 5xx) in the last retry too, ``client`` reports a warning, and the result has no
        challenges. What the registry says to those who come without credentials could be wrong for this user, but most
        registries ask for them where they are needed. This result is kept: other sessions do not wait again.
        """
        what, found = f"pinging container registry {Origin.of(url).netloc}", Ping(0)

        async def once() -> None:
            nonlocal found
            found = self._broken.get((url, trust)) or await self.response(trust, get, url)
            if found.temporary:
                error = error_from_response(found.status, b"", what, retry_after=found.retry_after)
                raise retry.check_wait(error)

        try:
            await retry.run(once, what, client.report)
        except PyskopeoError as error:
            error.retried = True  # not by the loop around the request that needs the challenges
            if not isinstance(error, RegistryError) or error.status < 500:
                raise
            client.warn_once(f"{error}: no credentials are sent before the registry asks for them")
            found = self._broken[url, trust] = replace(found, final=True)
        return found


async def _request(url: str, get: Get) -> Ping:
    """Send the request, and follow redirects within the registry's origin: others have no say in its credentials."""
    for _ in range(_MAX_REQUESTS):
        response = await get(url)
        await response.aclose()
        target = _target_within_origin(url, response)
        if not target:
            break
        url = target
    return Ping(
        response.status_code,
        tuple(response.headers.get_list("www-authenticate")) if response.status_code == 401 else (),
        response.peer,
        response.headers.get("retry-after"),
        keeps_signatures=response.headers.get(KEEPS_SIGNATURES) == "1",
    )


def _target_within_origin(url: str, response: Response) -> str:
    try:
        target = redirect_target(url, response)
    except UnsafeAddress:
        return ""
    return target if target and Origin.of(target) == Origin.of(url) else ""


async def probe_scheme(host: str, ping: Callable[[str], Awaitable[object]]) -> str:
    """Return ``https`` if ``host``, with or without a port, responds to an https request, otherwise ``http``.

    ``ping`` sends a GET for a URL and raises `NetworkError`. Raises `HandshakeFailed` if the server uses TLS but
    refuses the connection: its response to plain http would not tell the reason.
    """
    secure, plain = f"https://{host}/v2/", f"http://{host}/v2/"
    try:
        await ping(secure)
    except HandshakeFailed as error:
        # A port that uses TLS has no plain http, but the default port of http may.
        if Origin.of(secure).port == Origin.of(plain).port:
            raise
        try:
            await ping(plain)
        except NetworkError:
            raise error from None
        return "http"
    except (ConnectionFailed, CertificateNotTrusted):
        return "http"
    return "https"
