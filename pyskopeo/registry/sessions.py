"""Opening sessions with registries, and what those of one run share: connections, tokens, schemes."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self, cast

from ..http.connect import Connector
from ..http.origin import Origin
from ..http.transport import Wire
from ..model.reference import Reference
from .scheme import Schemes
from .session import SendRequest, Session

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    import httpx

    from ..access import Access, Network
    from ..config.registries import Endpoint
    from ..credentials.authfile import Credentials
    from ..http.tls import Trust
    from .mirrors import Endpoints

_MIRROR_RETRIES = 1


@asynccontextmanager
async def open_endpoints(reference: Reference, access: Access) -> AsyncIterator[Endpoints]:
    """For reading: where ``registries.conf`` says that the images of this name are, mirrors first.

    No request is sent before something is asked for. Raises `InvalidInput` for a blocked registry.
    """
    from .mirrors import Endpoints
    from .repository_reader import Repository

    async with AsyncExitStack() as stack:
        repositories = []
        for endpoint in access.registries().endpoints(reference):
            reaching = _access_for(endpoint, reference, access)
            session = await stack.enter_async_context(_open(endpoint.reference, reaching, "pull"))
            repositories.append(Repository(endpoint.reference, session, reaching.network.retry, access.report))
        yield Endpoints(reference, repositories, access.report)


@asynccontextmanager
async def open_session(reference: Reference, access: Access, *, actions: str = "pull") -> AsyncIterator[Session]:
    """Open a session with the registry itself, for all but reading; ``actions`` are those of its tokens' scope.

    Sends nothing before it is used. Raises `InvalidInput` for a registry that is blocked. With
    `Network.connections` the session is one of theirs, and stays open.
    """
    endpoint = access.registries().direct(reference)
    async with _open(reference, _access_for(endpoint, reference, access), actions) as session:
        yield session


def _access_for(endpoint: Endpoint, asked: Reference, access: Access) -> Access:
    """Return the access to one of the registries that have an image."""
    access = replace(access, trust=access.trust.settled(insecure=endpoint.insecure))
    if endpoint.reference.registry != asked.registry:
        # Credentials on the command line were given for the registry that was named.
        access = replace(access, keychain=access.keychain.without_given())
    if endpoint.is_mirror:
        # There is another one to go to.
        retry = access.network.retry
        retry = replace(retry, times=min(retry.times, _MIRROR_RETRIES))
        access = replace(access, network=replace(access.network, retry=retry))
    return access


@asynccontextmanager
async def _open(reference: Reference, access: Access, actions: str) -> AsyncIterator[Session]:
    if access.network.connections is not None:
        yield cast("Session", access.network.connections.session(reference, access))
        return
    async with sender(reference, access.trust, access.network) as send:
        yield Session(reference, send, access, actions=actions)


class SharedConnections:
    """The sessions that many images of the same registries share, with their connections, tokens and schemes.

    An async context manager; put it into `Network.connections`. All sessions of one have the same `Access`
    except for ``trust`` and ``report``, and tokens for the same ``actions``.
    """

    def __init__(self, *, actions: str = "pull") -> None:
        self._actions = actions
        self._transports: dict[tuple[str, Trust], Wire] = {}
        self._sessions: dict[tuple[str, str, Trust, Credentials | None, str], Session] = {}
        self._schemes = Schemes()

    def session(self, reference: Reference, access: Access) -> Session:
        """Return the session for a repository; the same one while this is open."""
        given = access.keychain.credentials, access.keychain.registry_token
        key = (reference.registry, reference.repository, access.trust, *given)
        if key not in self._sessions:
            send = self._send(reference, access.trust, access.network)
            self._sessions[key] = Session(reference, send, access, actions=self._actions, schemes=self._schemes)
        return self._sessions[key]

    def _send(self, reference: Reference, trust: Trust, network: Network) -> SendRequest:
        if network.client is not None:
            return _by_client(network.client)
        key = (reference.registry, trust)
        if key not in self._transports:
            self._transports[key] = _transport(reference, trust, network)
        return self._transports[key].handle_async_request

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._transports.values():
            await transport.aclose()


def _by_client(client: httpx.AsyncClient) -> SendRequest:
    return partial(client.send, stream=True, auth=None, follow_redirects=False)


@asynccontextmanager
async def sender(reference: Reference, trust: Trust, network: Network) -> AsyncIterator[SendRequest]:
    """Open what sends requests: our own transport, unless the caller brought a client.

    The transport is called without a client around it: what a client would add, a cookie jar and redirects,
    is not wanted, and costs time in a pull of many small layers.
    """
    if network.client is not None:
        yield _by_client(network.client)
        return
    async with _transport(reference, trust, network) as transport:
        yield transport.handle_async_request


def _transport(reference: Reference, trust: Trust, network: Network) -> Wire:
    contexts: dict[bool, ssl.SSLContext] = {}
    making = threading.Lock()
    registry = Origin.of(f"https://{reference.api_host}")

    def context(origin: Origin) -> ssl.SSLContext:
        own = origin == registry
        with making:
            if own not in contexts:
                contexts[own] = trust.context(reference.registry, client=own)
            return contexts[own]

    def proxy(origin: Origin) -> str | None:
        return network.proxies.for_url(origin.scheme, origin.host, origin.port)

    connector = Connector(
        context, proxy, connect_timeout=network.connect_timeout, stall_timeout=network.stall_timeout
    )
    return Wire(connector)
