"""Check credentials with a registry, and get the ``Authorization`` header that they result in.

``GET /v2/``: distribution specification 1.1, "Determining Support".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from ..credentials.authfile import Credentials
from ..fast_dataclass import dataclass, replace
from ..model.reference import Reference
from .challenge import basic_authorization
from .response_checks import closing, read_error
from .session import Session
from .sessions import open_sender

if TYPE_CHECKING:
    from ..access import Access


@dataclass(frozen=True, slots=True)
class Authorization:
    """The value of an ``Authorization`` header, valid for ``life`` seconds; None: until the credentials change."""

    value: str = field(repr=False)
    life: float | None = None


async def check_credentials(registry: str, access: Access) -> None:
    """Request ``/v2/`` of ``registry`` with the credentials of ``access``, or a token if the registry uses tokens.

    The token is for no repository. Raises `AccessDenied` with status 401 for credentials that are refused, and other
    `NetworkError`s. A registry that needs no credentials refuses none.
    """
    reference = Reference(registry, "")
    async with _open(reference, access) as session:
        response = await session.request("GET", "/v2/", {})
        if response.status_code != 200:
            raise await read_error(session, response, _what(reference))
        await response.aclose()


async def authorization(reference: Reference, credentials: Credentials, access: Access) -> Authorization | None:
    """Return the header for pulls from ``reference``'s repository with ``credentials``, those of ``access``.

    It has a token for that repository alone if the registry uses tokens, Basic credentials otherwise. None for an
    identity token at a registry without tokens, since it is no password. Raises `AccessDenied` for credentials that
    are refused, and other `NetworkError`s.
    """
    async with _open(reference, access) as session:
        found = await _requested_authorization(session, reference, "/v2/")
        if found is None and reference.repository:
            # Some registries require a token for repositories, but not for /v2/.
            found = await _requested_authorization(session, reference, f"/v2/{reference.repository}/tags/list")
    if found is not None or credentials.identity_token:
        return found
    return Authorization(basic_authorization(credentials))


@asynccontextmanager
async def _open(reference: Reference, access: Access) -> AsyncIterator[Session]:
    """Open a session whose tokens are for the repository alone, or without a scope if there is none.

    The challenge for ``/v2/`` may have the scope of an example, for which the token server refuses a token.
    """
    named = reference.name if reference.repository else reference.registry
    access = replace(access, trust=access.trust.with_insecure_default(insecure=access.registries().is_insecure(named)))
    async with open_sender(reference, access) as send:
        yield Session(reference, send, access, exact_scope=True)


async def _requested_authorization(session: Session, reference: Reference, path: str) -> Authorization | None:
    """Return the ``Authorization`` that the registry requires for ``path``; None if it requires none."""
    response = await session.request("GET", path, {})
    value, life = session.authorization
    # If there is a token, it does not matter whether this path needs another one.
    if life is None and response.status_code == 401:
        raise await read_error(session, response, _what(reference))
    async with closing(response):
        return Authorization(value, life) if value else None


def _what(reference: Reference) -> str:
    return f"pinging container registry {reference.registry}"
