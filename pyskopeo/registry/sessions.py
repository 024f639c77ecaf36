"""Open sessions with registries, and share connections, tokens and pings between the sessions of one run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self, cast

from ..fast_dataclass import replace
from ..http.transport import HTTPTransport
from ..model.reference import Reference
from .connectors import connector_for, endpoint_access
from .ping import Pings
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import httpx

    from ..access import Access, Network
    from ..config.registries import Endpoint
    from ..credentials.authfile import Credentials
    from ..http.headers import Headers
    from ..http.messages import Request, Response, SendRequest
    from ..http.tls import Trust
    from ..model.events import Event
    from .mirrors import Endpoints


@asynccontextmanager
async def open_endpoints(
    reference: Reference, access: Access, sources: Sequence[Reference] = ()
) -> AsyncIterator[Endpoints]:
    """Open the endpoints for reading ``reference``: mirrors from ``registries.conf`` first, then the registry.

    ``sources`` are its names in other places, to read it from instead, in order, each with its own mirrors; of one that
    is a mirror or the location of ``reference``, that ``insecure`` counts too. Sends no request. Raises `InvalidInput`
    for a blocked registry.
    """
    from .mirrors import Endpoints
    from .repository_reader import Repository

    registries = access.registries()
    groups = [registries.source_endpoints(source, reference) for source in sources] or [registries.endpoints(reference)]
    async with AsyncExitStack() as stack:
        repositories = []
        for endpoint in _joined(groups):
            own = endpoint_access(endpoint, reference, access)
            session = await stack.enter_async_context(_open(endpoint.reference, own, "pull"))
            repositories.append(Repository(endpoint.reference, session, own.network.retry, session.report))

        def report(event: Event) -> None:
            for repository in repositories:
                event = repository.session.redactor.redact_event(event)
            access.report(event)

        yield Endpoints(reference, repositories, report)


def _joined(groups: Iterable[Sequence[Endpoint]]) -> list[Endpoint]:
    """Return the endpoints of several sources, each place once; all but the last source count as mirrors."""
    found: dict[str, Endpoint] = {}
    for group in groups:
        found = {name: replace(endpoint, is_mirror=True) for name, endpoint in found.items()}
        for endpoint in group:
            found.setdefault(endpoint.reference.name, endpoint)
    return list(found.values())


@asynccontextmanager
async def open_session(reference: Reference, access: Access, *, actions: str = "pull") -> AsyncIterator[Session]:
    """Open a session with the registry itself, without its mirrors; ``actions`` are those in the scope of its tokens.

    Sends no request. Raises `InvalidInput` for a blocked registry. With `Network.connections` the session is one of
    theirs, and stays open.
    """
    endpoint = access.registries().direct(reference)
    async with _open(reference, endpoint_access(endpoint, reference, access), actions) as session:
        yield session


@asynccontextmanager
async def open_registry_session(registry: str, access: Access) -> AsyncIterator[Session]:
    """Open a session with a registry, ``host[:port]``, for what belongs to none of its repositories.

    Sends no request. Raises `InvalidInput` for a blocked registry.
    """
    insecure = access.registries().is_insecure(registry)
    access = replace(access, trust=access.trust.with_insecure_default(insecure=insecure))
    async with _open(Reference(registry, ""), access, "") as session:
        yield session


def share_pings(source: Access, destination: Access) -> tuple[Access, Access]:
    """Return the accesses of both sides of a copy, whose sessions request ``/v2/`` of a registry once.

    They do so if both reach registries by the same proxies or the same client; TLS settings are told apart by `Pings`,
    and no credentials are sent with that request. Sides with `Network.connections` share those.
    """
    reading, writing = source.network, destination.network
    if reading.connections or writing.connections or not _is_same_way(reading, writing):
        return source, destination
    pings = Pings()
    return (
        replace(source, network=replace(reading, pings=pings)),
        replace(destination, network=replace(writing, pings=pings)),
    )


def _is_same_way(one: Network, other: Network) -> bool:
    return one.client is other.client and one.proxies == other.proxies


@asynccontextmanager
async def _open(reference: Reference, access: Access, actions: str) -> AsyncIterator[Session]:
    if access.network.connections is not None:
        session = cast("Session", access.network.connections.session(reference, access))
        with session.redactor.redacted_errors():
            yield session
        return
    async with open_sender(reference, access) as send:
        session = Session(reference, send, access, actions=actions, pings=access.network.pings)
        with session.redactor.redacted_errors():
            yield session


class SharedConnections:
    """Sessions that are shared by copies of many images, with their connections, tokens and pings.

    An async context manager, to be passed as `Network.connections`. All its sessions have the same `Access` except for
    ``trust`` and ``report``, and tokens for the same ``actions``. ``on_response`` is called with the registry and the
    header fields of each response of its own.
    """

    def __init__(
        self, *, actions: str = "pull", on_response: Callable[[str, Headers], None] | None = None
    ) -> None:  # fmt: skip
        self._actions, self._on_response = actions, on_response
        self._transports: dict[tuple[str, Trust], HTTPTransport] = {}
        self._sessions: dict[tuple[str, str, Trust, Credentials | None, str], Session] = {}
        self._pings = Pings()

    def with_actions(self, actions: str) -> SharedConnections:
        """Return sessions with tokens for other actions over the connections of this object, which closes them."""
        other = SharedConnections(actions=actions, on_response=self._on_response)
        other._transports, other._pings = self._transports, self._pings
        return other

    def session(self, reference: Reference, access: Access) -> Session:
        """Return the session for a repository; always the same one while this object is open."""
        given = access.keychain.credentials, access.keychain.registry_token
        key = (reference.registry, reference.repository, access.trust, *given)
        if key not in self._sessions:
            send = self._noting(reference, self._send(reference, access))
            self._sessions[key] = Session(
                reference, send, access, actions=self._actions, pings=access.network.pings or self._pings
            )
        return self._sessions[key]

    def _send(self, reference: Reference, access: Access) -> SendRequest:
        if access.network.client is not None:
            return _client_sender(access.network.client, access.network)
        key = (reference.registry, access.trust)
        if key not in self._transports:
            self._transports[key] = _transport(reference, access)
        return self._transports[key].send

    def _noting(self, reference: Reference, send: SendRequest) -> SendRequest:
        """Return what sends requests as ``send`` does, and has the responses of the registry itself noted."""
        if (note := self._on_response) is None:
            return send

        async def noting(request: Request) -> Response:
            response = await send(request)
            if request.route.origin.netloc == reference.api_host:
                note(reference.registry, response.headers)
            return response

        return noting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()


@asynccontextmanager
async def sharing_connections(access: Access, *, actions: str = "pull") -> AsyncIterator[Access]:
    """Yield ``access`` with connections that its sessions share, unless it has some.

    ``actions`` are those of `SharedConnections`.
    """
    if access.network.connections is not None:
        yield access
        return
    async with SharedConnections(actions=actions) as connections:
        yield replace(access, network=replace(access.network, connections=connections))


def _client_sender(client: httpx.AsyncClient, network: Network) -> SendRequest:
    from ..http.httpx_adapter import client_sender  # which imports httpx

    return client_sender(client, network)


@asynccontextmanager
async def open_sender(reference: Reference, access: Access) -> AsyncIterator[SendRequest]:
    """Yield a function that sends a request: by `Network.client`, or by an `HTTPTransport`."""
    if access.network.client is not None:
        yield _client_sender(access.network.client, access.network)
        return
    async with _transport(reference, access) as transport:
        yield transport.send


def _transport(reference: Reference, access: Access) -> HTTPTransport:
    early = access.network.preconnections
    if early is not None and (found := early.take(reference, access)) is not None:
        return HTTPTransport(found.connector, preconnections=found)
    return HTTPTransport(connector_for(reference, access))
