"""Showing a registry who we are, and nothing more: for ``login``, and for those who ask us for a header."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..credentials.authfile import Credentials
from ..fast_dataclass import dataclass
from ..model.reference import Reference
from .challenge import TokenRequest, basic, parse_token
from .response_checks import closing, refused
from .session import Send, Session
from .sessions import sender

if TYPE_CHECKING:
    from ..access import Access


@dataclass(frozen=True, slots=True)
class Authorization:
    """The value of an ``Authorization`` header; ``life`` is for how many seconds, None: until it is changed."""

    value: str = field(repr=False)
    life: float | None = None


async def check_credentials(registry: str, access: Access) -> None:
    """Ask ``registry`` for nothing but ``/v2/``, as whoever ``access`` says, with a token where it wants one.

    No token is asked for any repository. Raises `AccessDenied` with status 401 where the credentials
    are refused, and `NetworkError`'s other kinds. A registry open to everybody refuses nobody.
    """
    async with _open(Reference(registry, ""), access) as visit:
        await visit.ping()


async def authorization(reference: Reference, credentials: Credentials, access: Access) -> Authorization | None:
    """What to send along to pull from ``reference``'s repository, as somebody with ``credentials``.

    A token of the registry's token server for just that repository, if it uses tokens, else Basic.
    None where only a token would do and none is had: an identity token is no password. Raises
    `NetworkError` and its kinds; credentials that are refused are `AccessDenied`.
    """
    async with _open(reference, access) as visit:
        found = await visit.authorization()
        if found is None and reference.repository:
            # Some registries want nothing for /v2/, and a token for what is in a repository.
            found = await visit.authorization(f"/v2/{reference.repository}/tags/list")
    if found is not None or credentials.identity_token:
        return found
    return Authorization(basic(credentials))


@asynccontextmanager
async def _open(reference: Reference, access: Access) -> AsyncIterator[_Visit]:
    named = reference.name if reference.repository else reference.registry
    access = replace(access, trust=access.trust.settled(insecure=access.registries().is_insecure(named)))
    async with sender(reference, access.trust, access.network) as send:
        yield _Visit(reference, send, access)


class _Visit(Session):
    """A session whose tokens are for its repository alone, or for none if it has none.

    A registry's answer to ``/v2/`` may name the scope of an example, which nobody may have.
    """

    def __init__(self, reference: Reference, send: Send, access: Access) -> None:
        super().__init__(reference, send, access)
        self._wanted = self._scope if reference.repository else ""
        self._what = f"pinging container registry {reference.registry}"
        self._life: float | None = None

    async def ping(self) -> None:
        """Raise what keeps us out."""
        response = await self.request("GET", "/v2/", {})
        if response.status_code != 200:
            raise await refused(self, response, self._what)
        await response.aclose()

    async def authorization(self, path: str = "/v2/") -> Authorization | None:
        """What the registry wanted when it was asked for ``path``; None: nothing."""
        response = await self.request("GET", path, {})
        value = await self._authorizer.header(self._scope)
        # With a token in hand it does not matter whether it opens this door as well.
        if not value.startswith("Bearer ") and response.status_code == 401:
            raise await refused(self, response, self._what)
        async with closing(response):
            return Authorization(value, self._life) if value else None

    async def _fetch_token(self, wanted: TokenRequest) -> bytes:
        body = await super()._fetch_token(_with_scope(wanted, self._wanted))
        self._life = parse_token(body, urlsplit(wanted.url).netloc).life
        return body


def _with_scope(wanted: TokenRequest, scope: str) -> TokenRequest:
    """``wanted``, asking for ``scope`` and no other."""
    if wanted.method == "POST":
        form = [pair for pair in parse_qsl(wanted.content.decode(), keep_blank_values=True) if pair[0] != "scope"]
        return replace(wanted, content=urlencode([*form, *([("scope", scope)] if scope else [])]).encode())
    parts = urlsplit(wanted.url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "scope"]
    query += [("scope", one) for one in scope.split()]
    return replace(wanted, url=urlunsplit(parts._replace(query=urlencode(query))))
