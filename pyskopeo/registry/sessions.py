"""A session with a registry, from the transport below to the rules above, for as long as it is needed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self, cast

from ..http.connect import Connector
from ..http.origin import Origin
from ..http.proxy_router import Router
from ..http.transport import Wire
from ..model.reference import Reference
from .session import Send, Session

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    import httpx
    from anyio import Lock

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
            reaching = _towards(endpoint, reference, access)
            session = await stack.enter_async_context(_open(endpoint.reference, reaching, "pull"))
            repositories.append(Repository(endpoint.reference, session, reaching.network.retry, access.report))
        yield Endpoints(reference, repositories, access.report)


@asynccontextmanager
async def open_session(reference: Reference, access: Access, *, actions: str = "pull") -> AsyncIterator[Session]:
    """For all else, with the registry itself; ``actions`` are the token's, where tokens are used.

    Talks to the registry only when something is asked for. Raises `InvalidInput` for a blocked one.
    With `Network.connections` the session is theirs, and stays open when this is left.
    """
    endpoint = access.registries().direct(reference)
    async with _open(reference, _towards(endpoint, reference, access), actions) as session:
        yield session


def _towards(endpoint: Endpoint, asked: Reference, access: Access) -> Access:
    """How to reach one of the places of an image."""
    access = replace(access, trust=access.trust.settled(insecure=endpoint.insecure))
    if endpoint.reference.registry != asked.registry:
        # What was given on the command line was given for the registry that was named.
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
    """What many images of the same registries share: connections, tokens, and what is known of each registry.

    An async context manager; put it into `Network.connections`. All that is opened with one has the
    same `Access` but for ``trust`` and ``report``, and tokens for the same ``actions``.
    """

    def __init__(self, *, actions: str = "pull") -> None:
        self._actions = actions
        self._routers: dict[tuple[str, Trust], Router] = {}
        self._sessions: dict[tuple[str, str, Trust, Credentials | None, str], Session] = {}
        self._schemes: defaultdict[tuple[str, Trust], _Scheme] = defaultdict(_Scheme)

    def session(self, reference: Reference, access: Access) -> Session:
        """The session for a repository; the same one while this is open."""
        given = access.keychain.credentials, access.keychain.registry_token
        key = (reference.registry, reference.repository, access.trust, *given)
        if key not in self._sessions:
            scheme = self._schemes[reference.registry, access.trust]
            send = self._send(reference, access.trust, access.network)
            self._sessions[key] = _SharingSession(reference, send, access, scheme, actions=self._actions)
        return self._sessions[key]

    def _send(self, reference: Reference, trust: Trust, network: Network) -> Send:
        if network.client is not None:
            return _by_client(network.client)
        key = (reference.registry, trust)
        if key not in self._routers:
            self._routers[key] = _router(reference, trust, network)
        return self._routers[key].send

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for router in self._routers.values():
            await router.__aexit__(kind, error, trace)


class _Scheme:
    """How a registry is reached; found out once, however many wait for it."""

    def __init__(self) -> None:
        self.found = ""
        self._lock: Lock | None = None

    @property
    def lock(self) -> Lock:
        if self._lock is None:
            from anyio import Lock

            self._lock = Lock()
        return self._lock


class _SharingSession(Session):
    """A session that learns from the others with its registry."""

    def __init__(
        self, reference: Reference, send: Send, access: Access, shared: _Scheme, *, actions: str
    ) -> None:
        super().__init__(reference, send, access, actions=actions)
        self._shared = shared

    async def _find_scheme(self) -> None:
        async with self._shared.lock:
            if not self._shared.found:
                await super()._find_scheme()
                self._shared.found = self._scheme
        self._scheme = self._shared.found


def _by_client(client: httpx.AsyncClient) -> Send:
    return partial(client.send, stream=True, auth=None, follow_redirects=False)


@asynccontextmanager
async def sender(reference: Reference, trust: Trust, network: Network) -> AsyncIterator[Send]:
    """What sends requests: our own transport, unless the caller brought a client.

    The transport is called itself, without a client around it: what a client would add, a cookie
    jar and redirects, is not wanted, and a pull of many small layers pays for it.
    """
    if network.client is not None:
        yield _by_client(network.client)
        return
    async with _router(reference, trust, network) as router:
        yield router.send


def _router(reference: Reference, trust: Trust, network: Network) -> Router:
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
    return Router(Wire(connector), proxy, context)
