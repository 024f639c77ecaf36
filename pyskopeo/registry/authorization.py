"""How requests to a registry are authorized, decided without I/O (distribution specification, "Token Authentication").

`Authorizer.flow` is a generator like `httpx.Auth.auth_flow`: it yields what has to be done next, and is
sent what came of it. Its caller (`session.Session`) sends the requests, runs the helpers and keeps the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..credentials.authfile import Credentials
from ..errors import UnsafeAddress
from ..fast_dataclass import dataclass
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

if TYPE_CHECKING:
    import httpx

    from ..credentials.bazel_helper import HelperHeaders
    from .redactor import Redactor

# The share of a token's life after which it is replaced.
_REFRESH_AT = 0.75
# How many 401s to one request are answered: the first challenge, and one that wants more of the token's scope.
_CHALLENGES_ANSWERED = 2


@dataclass(frozen=True, slots=True)
class NeedHeaders:
    """Resolve the headers a helper wants sent with a request for ``url`` before any challenge.

    Answered with `HelperHeaders` or None. ``stale`` are those that were just refused.
    """

    url: str
    stale: HelperHeaders | None = None


@dataclass(frozen=True, slots=True)
class NeedCredentials:
    """Resolve the credentials for the repository. Answered with `Credentials`, `HelperHeaders` or None."""


@dataclass(frozen=True, slots=True)
class NeedToken:
    """Send ``request``, unless another flow has got a token in the meantime that `BearerToken.is_usable`.

    Answered with a `BearerToken`. Tokens are kept by ``scope``; ``refused`` is the ``Authorization`` that
    was refused or is about to expire.
    """

    scope: str
    challenge: Challenge
    request: TokenRequest
    refused: str = field(repr=False)

    def parse(self, body: bytes, now: float) -> BearerToken:
        """Parse the token server's response with status 200, received at ``now``; raises `InvalidContent`."""
        token = parse_token(body, str(Origin.of(self.request.url)))
        return BearerToken(token.value, token.life, now + token.life * _REFRESH_AT, self.challenge)


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request with ``headers``. Answered with the response (`httpx.Response`)."""

    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token, valid for ``life`` seconds; from ``refresh_at`` on, on the monotonic clock, a new one is requested.

    ``challenge`` says of which token server.
    """

    value: str = field(repr=False)
    life: float
    refresh_at: float
    challenge: Challenge

    @property
    def header(self) -> str:
        """The value of ``Authorization`` (RFC 6750 section 2.1)."""
        return f"Bearer {self.value}"

    def is_usable(self, now: float, refused: str = "") -> bool:
        """Return whether the token is fresh, and not the one that was ``refused``."""
        return now < self.refresh_at and self.header != refused


Step: TypeAlias = NeedHeaders | NeedCredentials | NeedToken | Send
# Any: what is sent to the generator depends on what it yielded. Each kind of step says what it is answered with.
Flow: TypeAlias = Generator[Step, Any, None]


class Authorizer:
    """The authorization of the requests of one repository to its registry.

    ``tokens`` are those known, by scope; the caller of a flow adds to them. ``now`` returns the time on the
    monotonic clock. ``registry_token`` is sent as it is, and nothing else. ``trusted_realms`` are token servers
    (``host`` or ``host:port``) that get credentials though they are not of the registry's site; ``insecure``
    allows those reached by plain http. With ``exact_scope`` nothing a challenge names is added to a token's scope.

    What becomes a secret is added to ``redactor`` before it is sent.
    """

    def __init__(
        self,
        registry: str,
        tokens: Mapping[str, BearerToken],
        redactor: Redactor,
        now: Callable[[], float],
        *,
        registry_token: str = "",
        trusted_realms: frozenset[str] = frozenset(),
        insecure: bool = False,
        exact_scope: bool = False,
    ) -> None:
        self._registry = registry
        self._tokens = tokens
        self._redactor = redactor
        self._now = now
        self._registry_token = registry_token
        self._trusted_realms = trusted_realms
        self._insecure = insecure
        self._exact_scope = exact_scope
        self._basic = ""
        redactor.add(registry_token)

    @property
    def basic_header(self) -> str:
        """The Basic ``Authorization`` once the registry has asked for it, else empty."""
        return self._basic

    def flow(self, url: str, scope: str) -> Flow:
        """Authorize one request to the registry's own origin, which needs a token of ``scope`` where tokens are used.

        Credentials are resolved after a challenge, not before: public images need none. The flow ends with the
        response that is final. Raises `UnsafeAddress` for a token server that must not be sent a request.
        """
        if self._registry_token:
            yield Send({"Authorization": f"Bearer {self._registry_token}"})
            return
        helper: HelperHeaders | None = yield NeedHeaders(url)
        headers = self._from_helper(helper)
        if "Authorization" not in headers:
            headers |= yield from self._known(scope)
        for _ in range(_CHALLENGES_ANSWERED):
            response: httpx.Response = yield Send(headers)
            if response.status_code != 401:
                return
            if helper is not None and helper.authorization:
                helper = yield NeedHeaders(url, stale=helper)
                better = self._from_helper(helper)
            else:
                challenges = response.headers.get_list("www-authenticate")
                value = yield from self._answer(challenges, url, scope, headers.get("Authorization", ""))
                better = {**headers, "Authorization": value} if value else {}
            if not better or better == headers:
                return
            headers = better
        yield Send(headers)

    def _from_helper(self, helper: HelperHeaders | None) -> dict[str, str]:
        headers = dict(helper.headers) if helper is not None else {}
        for value in headers.values():
            self._redactor.add(value, value.rpartition(" ")[2])
        return headers

    def _known(self, scope: str) -> Generator[Step, Any, dict[str, str]]:
        """Return the ``Authorization`` known to be needed, in a dictionary; an empty one while none is known to be."""
        value = self._basic
        token = self._tokens.get(scope)
        if not value and token is not None:
            value = token.header
            if not token.is_usable(self._now()):
                credentials = _only_credentials((yield NeedCredentials()))
                value = yield from self._request_token(token.challenge, scope, scope, credentials, refused=value)
        return {"Authorization": value} if value else {}

    def _answer(
        self, challenges: Iterable[str], url: str, scope: str, refused: str
    ) -> Generator[Step, Any, str]:
        """Return the ``Authorization`` for the values of ``WWW-Authenticate``; empty if there is none to try."""
        credentials = _only_credentials((yield NeedCredentials()))
        challenge = select(parse_challenges(challenges), credentials)
        if challenge is None:
            return ""
        if challenge.scheme == "basic" and credentials is not None:
            self._basic = basic(credentials)
            self._redactor.add(credentials.password, self._basic.removeprefix("Basic "))
            return self._basic
        challenge = Challenge("bearer", {**challenge.parameters, "realm": join(url, challenge.realm)})
        # What the answered request needs, and what the next ones will: a token for either alone would
        # be requested again and again.
        wanted = scope if self._exact_scope else widened(scope, challenge.scope)
        return (yield from self._request_token(challenge, scope, wanted, credentials, refused=refused))

    def _request_token(
        self, challenge: Challenge, scope: str, wanted: str, credentials: Credentials | None, *, refused: str
    ) -> Generator[Step, Any, str]:
        known = self._tokens.get(scope)
        if known is not None and known.is_usable(self._now(), refused):  # another request's flow got it
            return known.header
        self._check_realm(challenge, credentials)
        if credentials is not None:
            encoded = basic(credentials).removeprefix("Basic ")
            self._redactor.add(credentials.password, credentials.identity_token, encoded)
        request = token_request(challenge, wanted, credentials)
        token: BearerToken = yield NeedToken(scope, challenge, request, refused)
        self._redactor.add(token.value)
        return token.header

    def _check_realm(self, challenge: Challenge, credentials: Credentials | None) -> None:
        realm = Origin.of(challenge.realm)
        host = Origin.of(f"https://{self._registry}").host
        if realm.scheme != "https" and not self._insecure:
            raise UnsafeAddress(f"{self._registry} wants its tokens fetched over plain http from {realm}: refused")
        if credentials is None or {realm.netloc, realm.host} & self._trusted_realms:
            return
        if not may_have_credentials(host, realm.host):
            raise UnsafeAddress(
                f"{self._registry} wants its credentials sent to {realm}, which is not plainly its own; "
                f"if it is, say --trust-realm {realm.host}; without credentials, --src-no-creds"
            )


def _only_credentials(found: Credentials | HelperHeaders | None) -> Credentials | None:
    """Return ``found`` if it can answer a challenge. Headers of a helper cannot: they are for before it."""
    return found if isinstance(found, Credentials) else None


def tried(found: Credentials | HelperHeaders | None) -> str:
    """Return the part of an error message that says which credentials were used; never the secret."""
    if found is None:
        return ", tried without credentials"
    if not isinstance(found, Credentials):
        return ", tried what the credential helper gave"
    return ", tried an identity token" if found.identity_token else f", tried as user {found.username}"
