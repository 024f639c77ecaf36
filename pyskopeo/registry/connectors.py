"""How one endpoint of a repository is reached: its own settings, and what opens connections by them."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from ..fast_dataclass import replace
from ..http.connect import Connector
from ..http.origin import Origin
from ..model.events import Warned

if TYPE_CHECKING:
    import ssl

    from ..access import Access
    from ..config.registries import Endpoint
    from ..model.reference import Reference

_MIRROR_RETRIES = 1


def endpoint_access(endpoint: Endpoint, requested: Reference, access: Access) -> Access:
    """Return ``access`` for one endpoint of ``requested``: its own TLS settings, credentials and retries."""
    access = replace(access, trust=access.trust.with_insecure_default(insecure=endpoint.insecure))
    if endpoint.reference.registry != requested.registry:
        # Credentials on the command line are for the registry that the user named.
        access = replace(access, keychain=access.keychain.without_explicit_credentials())
    if endpoint.is_mirror:
        # Few retries, because there is another endpoint.
        retry = access.network.retry
        retry = replace(retry, times=min(retry.times, _MIRROR_RETRIES))
        access = replace(access, network=replace(access.network, retry=retry))
    return access


def connector_for(reference: Reference, access: Access) -> Connector:
    """Return what opens connections to the registry of ``reference``, and to the targets of its redirects.

    ``access`` has the settings of this endpoint. A client's certificate is for the registry alone.
    """
    network = access.network
    contexts: dict[bool, ssl.SSLContext] = {}
    lock = threading.Lock()
    registry = Origin.of(f"https://{reference.api_host}")

    def warn(message: str) -> None:
        access.report(Warned(message))

    def context(origin: Origin) -> ssl.SSLContext:
        own = origin == registry
        with lock:
            if own not in contexts:
                contexts[own] = access.trust.context(reference.registry, client=own, warn=warn, defer=True)
            return contexts[own]

    @cache
    def proxy(origin: Origin) -> str | None:
        return network.proxies.for_url(origin.scheme, origin.host, origin.port)

    return Connector(
        context, proxy, network.connect_timeout, network.stall_timeout, network.response_timeout,
        rate_limits=network.rate_limits,
    )  # fmt: skip
