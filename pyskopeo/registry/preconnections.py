"""Connections to registries that are opened while a command is still being loaded; see `Network.preconnections`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..http.connect import connects_through
from ..http.origin import Origin
from ..http.preconnection import ServerPreconnections
from .connectors import connector_for, endpoint_access

if TYPE_CHECKING:
    from ..access import Access
    from ..config.proxies import Proxies
    from ..http.connect import Connector
    from ..http.rate_limit import RateLimits
    from ..http.tls import Trust
    from ..model.reference import Reference


@dataclass(frozen=True, slots=True)
class _Way:
    """All that a connection to a registry depends on: only for the same way it can be used."""

    registry: str
    trust: Trust
    proxies: Proxies
    timeouts: tuple[float, float, float]
    rate_limits: RateLimits | None

    @classmethod
    def of(cls, reference: Reference, access: Access) -> _Way:
        network = access.network
        timeouts = network.connect_timeout, network.stall_timeout, network.response_timeout
        return cls(reference.registry, access.trust, network.proxies, timeouts, network.rate_limits)


@dataclass(frozen=True, slots=True)
class _Planned:
    way: _Way
    connector: Connector
    origins: tuple[Origin, ...]
    further: int


class Preconnections:
    """Connections that are opened in advance, each for the first session that reaches its registry the same way.

    To be closed, which closes those that no session has taken.
    """

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._begun: list[tuple[_Way, ServerPreconnections]] = []

    def plan(self, reference: Reference, access: Access, *, reading: bool, connections: int = 1) -> None:
        """Note where the first request for ``reference`` is sent, if that is known and allowed; sends nothing.

        To be read it may be at a mirror. ``connections`` is the number of those that will be needed. Nothing is noted
        where more than the settings of a connection decides about requests: with ``offline``, with a caller's client,
        through a proxy that httpx connects to, and for content by its digest if there is a content store. Raises what
        the command raises later, such as `InvalidInput` for a blocked registry.
        """
        network = access.network
        if network.offline or network.client is not None or network.connections is not None:
            return
        stored = access.storage.store is not None
        if reading and reference.digest is not None and stored:
            return  # it may be in the store
        registries = access.registries()
        endpoint = registries.source_endpoints(reference, reference)[0] if reading else registries.direct(reference)
        access = endpoint_access(endpoint, reference, access)
        connector = connector_for(endpoint.reference, access)
        secure, plain = (Origin.of(f"{scheme}://{endpoint.reference.api_host}") for scheme in ("https", "http"))
        if not connects_through(connector.proxy(secure)):
            return
        # Where plain http is allowed, https is tried first, see `probe_scheme`; by then the other is open, too. Nothing
        # is connected to directly that one of them has a proxy for.
        both = access.trust.insecure and connector.proxy(secure) is None and connector.proxy(plain) is None
        further = 0 if stored else connections - 1
        way = _Way.of(endpoint.reference, access)
        self._planned.append(_Planned(way, connector, (secure, plain) if both else (secure,), further))

    def begin(self) -> None:
        """Begin to open a connection to each of the places that were noted.

        TLS settings are made here, while the threads are connecting: importing modules in several threads takes longer.
        """
        for one in self._planned:
            self._begun.append((one.way, ServerPreconnections(one.connector, one.origins, one.further)))
        for _, begun in self._begun:
            begun.make_tls_settings()

    def take(self, reference: Reference, access: Access) -> ServerPreconnections | None:
        """Return what was begun for a registry, reached as ``access`` says, and forget it."""
        way = _Way.of(reference, access)
        found = next((one for one in self._begun if one[0] == way), None)
        if found is None:
            return None
        self._begun.remove(found)
        return found[1]

    def close(self) -> None:
        """Close the connections that were not taken."""
        while self._begun:
            self._begun.pop()[1].close()
