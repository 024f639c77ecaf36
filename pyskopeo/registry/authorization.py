"""Answering a registry's challenges: which header a request carries, and how a token is had.

The decisions are pure (`challenge`, `origin`); this keeps the tokens and asks for them, one
request for however many calls wait for it.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import field
from urllib.parse import quote, quote_plus

import anyio

from ..credentials.authfile import Credentials
from ..errors import UnsafeAddress
from ..fast_dataclass import dataclass
from ..http.httpx_import import httpx
from ..http.origin import Origin, join, may_have_credentials
from .challenge import (
    Challenge,
    TokenRequest,
    basic,
    parse_challenges,
    parse_token,
    select,
    token_request,
    widened,
)

_REFRESH_AT = 0.75


@dataclass(slots=True)
class _Held:
    """A token in hand; ``until`` on the monotonic clock."""

    header: str = field(repr=False)
    until: float


class Authorizer:
    """The authorization of one repository's requests to one registry origin.

    ``credentials`` is asked at the first challenge, not before: public images need no helper.
    ``fetch`` sends a token request and answers with status, body and nothing else.
    """

    def __init__(
        self,
        registry: str,
        *,
        credentials: Callable[[], Awaitable[Credentials | None]],
        fetch: Callable[[TokenRequest], Awaitable[bytes]],
        trusted_realms: frozenset[str] = frozenset(),
        registry_token: str = "",
        insecure: bool = False,
    ) -> None:
        self._registry = registry
        self._credentials = credentials
        self._fetch = fetch
        self._trusted_realms = trusted_realms
        self._fixed = f"Bearer {registry_token}" if registry_token else ""
        self._insecure = insecure
        self._basic = ""
        self._secrets: set[str] = set()
        self.remember(registry_token)
        self._held: dict[str, _Held] = {}
        self._challenge: Challenge | None = None
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    def hide(self, text: str) -> str:
        """``text`` of a server without the secrets it was sent: some repeat what they were asked."""
        for secret in sorted(self._secrets, key=len, reverse=True):  # one may be part of another
            text = text.replace(secret, "***")
        return text

    def remember(self, *secrets: str) -> None:
        """Have `hide` hide these, too."""
        for secret in secrets:
            # Two or three letters would hide half of every text, and are no secret anyway.
            if len(secret) > 3:
                # As it is, as a form has it, and within JSON that nobody reads as such.
                self._secrets |= {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}

    async def header(self, scope: str) -> str:
        """The value for ``Authorization``, or "" while nothing is known to be needed."""
        if self._fixed or self._basic:
            return self._fixed or self._basic
        held = self._held.get(scope)
        if held is not None and time.monotonic() < held.until:
            return held.header
        if held is not None and self._challenge is not None:
            return await self._token(self._challenge, scope, scope, stale=held.header)
        return ""

    async def answer(self, response: httpx.Response, scope: str, used: str, request_url: str) -> str | None:
        """Another ``Authorization`` to try after a 401 to a request that carried ``used``.

        None when there is nothing else to try: the refusal is final.
        """
        if self._fixed:
            return None
        credentials = await self._credentials()
        challenge = select(parse_challenges(response.headers.get_list("www-authenticate")), credentials)
        if challenge is None:
            return None
        if challenge.scheme == "basic" and credentials is not None:
            self._basic = basic(credentials)
            self.remember(credentials.password, self._basic.removeprefix("Basic "))
            return None if used == self._basic else self._basic
        challenge = Challenge("bearer", {**challenge.parameters, "realm": join(request_url, challenge.realm)})
        # What the answered request needs, and what the next ones will: a token for either alone would
        # be asked for again and again.
        asked = widened(scope, challenge.scope)
        header = await self._token(challenge, scope, asked, stale=used)
        self._challenge = challenge
        return None if header == used else header

    async def _token(self, challenge: Challenge, scope: str, asked: str, *, stale: str) -> str:
        async with self._locks[scope]:
            held = self._held.get(scope)
            if held is not None and held.header != stale and time.monotonic() < held.until:
                return held.header
            credentials = await self._credentials()
            self._check_realm(challenge, credentials)
            if credentials is not None:
                encoded = basic(credentials).removeprefix("Basic ")
                self.remember(credentials.password, credentials.identity_token, encoded)
            answer = await self._fetch(token_request(challenge, asked, credentials))
            token = parse_token(answer, str(Origin.of(challenge.realm)))
            header = f"Bearer {token.value}"
            self.remember(token.value)
            self._held[scope] = _Held(header, time.monotonic() + token.life * _REFRESH_AT)
            return header

    def _check_realm(self, challenge: Challenge, credentials: Credentials | None) -> None:
        realm = Origin.of(challenge.realm)
        host = Origin.of(f"https://{self._registry}").host
        if realm.scheme != "https" and not self._insecure:
            raise UnsafeAddress(f"{self._registry} wants its tokens fetched over plain http from {realm}: refused")
        if credentials is None:
            return
        if realm.netloc in self._trusted_realms or realm.host in self._trusted_realms:
            return
        if not may_have_credentials(host, realm.host):
            raise UnsafeAddress(
                f"{self._registry} wants its credentials sent to {realm}, which is not plainly its own; "
                f"if it is, say --trust-realm {realm.host}; without credentials, --src-no-creds"
            )

