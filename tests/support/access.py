"""An `Access` for tests: no file of the machine is read, and nothing waits long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx

import pyskopeo
from pyskopeo.access import Access, Network
from pyskopeo.credentials.keychain import Keychain
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust


def access_for(
    home: Path,
    *,
    credentials: pyskopeo.Credentials | None = None,
    registry_token: str = "",
    trust: Trust | None = None,
    stall_timeout: float = 5.0,
    response_timeout: float | None = None,
    retry: Retry | None = None,
    client: httpx.AsyncClient | None = None,
) -> Access:
    """An access that reads no file of anybody's and does not wait long; plain http unless ``trust`` says otherwise.

    The response timeout is three times the stall timeout, as on the command line.
    """
    keychain = Keychain(
        environ={},
        home=home,
        warn=lambda message: None,
        credentials=credentials,
        anonymous=credentials is None,
        registry_token=registry_token,
    )
    return Access(
        keychain=keychain,
        trust=trust or Trust(insecure=True),
        network=Network(
            retry=retry or Retry(delay=0.01),
            connect_timeout=5.0,
            stall_timeout=stall_timeout,
            response_timeout=3 * stall_timeout if response_timeout is None else response_timeout,
            client=client,
        ),
    )


def networked(access: Access, **changes: object) -> Access:
    """``access`` with another retry, timeout, client: what `Network` has."""
    return replace(access, network=replace(access.network, **changes))  # type: ignore[arg-type]
