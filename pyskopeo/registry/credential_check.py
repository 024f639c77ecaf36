"""Checking credentials with a registry, and getting the ``Authorization`` they lead to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ..credentials.authfile import Credentials
from ..fast_dataclass import dataclass
from ..model.reference import Reference
from .challenge import basic
from .response_checks import closing, refused
from .session import Session
from .sessions import sender

if TYPE_CHECKING:
    from ..access import Access


@dataclass(frozen=True, slots=True)
class Authorization:
    """The value of an ``Authorization`` header; valid for ``life`` seconds, None: until the credentials change."""

    value: str = field(repr=False)
    life: float | None = None


async def check_credentials(registry: str, access: Access) -> None:
    """Request ``/v2/`` of ``registry`` with the credentials of ``access``, and with a token if it wants one.

    The token is for no repository. Raises `AccessDenied` with status 401 for credentials that are refused, and
    other `NetworkError`s. A registry that is open to everybody refuses nobody.
    """
    reference = Reference(registry, "")
    async with _open(reference, access) as session:
        response = await session.request("GET", "/v2/", {})
        if response.status_code != 200:
            raise await refused(session, response, _what(reference))
        await response.aclose()


async def authorization(reference: Reference, credentials: Credentials, access: Access) -> Authorization | None:
    """Return the header for pulls from ``reference``'s repository with ``credentials``, those of ``access``.

    It holds a token for just that repository if the registry uses tokens, else Basic. None if only a token
    would do and there is none: an identity token is no password. Raises `AccessDenied` for credentials that are
    refused, and other `NetworkError`s.
    """
    async with _open(reference, access) as session:
        found = await _demanded(session, reference, "/v2/")
        if found is None and reference.repository:
            # Some registries want nothing for /v2/, and a token for what is in a repository.
            found = await _demanded(session, reference, f"/v2/{reference.repository}/tags/list")
    if found is not None or credentials.identity_token:
        return found
    return Authorization(basic(credentials))


@asynccontextmanager
async def _open(reference: Reference, access: Access) -> AsyncIterator[Session]:
    """Open a session whose tokens are for the repository alone, or for nothing if there is none.

    A registry's challenge for ``/v2/`` may name the scope of an example, for which nobody gets a token.
    """
    named = reference.name if reference.repository else reference.registry
    access = replace(access, trust=access.trust.settled(insecure=access.registries().is_insecure(named)))
    async with sender(reference, access.trust, access.network) as send:
        yield Session(reference, send, access, exact_scope=True)


async def _demanded(session: Session, reference: Reference, path: str) -> Authorization | None:
    """Return what the registry wanted for a request for ``path``; None if nothing."""
    response = await session.request("GET", path, {})
    value, life = session.authorization
    # With a token it does not matter whether it is good for this path as well.
    if life is None and response.status_code == 401:
        raise await refused(session, response, _what(reference))
    async with closing(response):
        return Authorization(value, life) if value else None


def _what(reference: Reference) -> str:
    return f"pinging container registry {reference.registry}"
