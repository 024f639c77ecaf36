"""Authorize requests to a registry, without I/O (distribution specification, "Token Authentication").

`Authorizer.flow` is a generator like `httpx.Auth.auth_flow`: it yields the next step, and is sent the result of
that. Its caller (`session.Session`) sends the requests, runs the credential helpers and keeps the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..credentials.authfile import Credentials
from ..errors import UnsafeAddress
from ..fast_dataclass import dataclass
from ..http.origin import Origin, resolve_url, with_https
from ..http.site import may_have_credentials

if TYPE_CHECKING:
    from ..credentials.bazel_helper import HelperHeaders
    from ..http.messages import Response
    from ..http.redactor import Redactor
    from .challenge import Challenge, TokenRequest

# The fraction of a token's life after which a new one is requested.
_REFRESH_AT = 0.75
# The number of 401s after which a request is sent again: the first challenge, and one for a wider scope.
_MAX_CHALLENGES = 2


@dataclass(frozen=True, slots=True)
class NeedHeaders:
    """Step: get the headers that a credential helper adds to a request for ``url`` before any challenge.

    The result is `HelperHeaders` or None. ``stale`` are headers that were just refused.
    """

    url: str
    stale: HelperHeaders | None = None


@dataclass(frozen=True, slots=True)
class NeedCredentials:
    """Step: get the credentials for the repository. The result is `Credentials`, `HelperHeaders` or None."""


@dataclass(frozen=True, slots=True)
class NeedChallenges:
    """Step: request ``/v2/`` of the registry, once for all sessions with it.

    The result are the values of ``WWW-Authenticate`` in a response with status 401, none for any other response.
    """


@dataclass(frozen=True, slots=True)
class NeedToken:
    """Step: send ``request`` to the token server, unless another flow has got a usable token in the meantime.

    The result is a `BearerToken`. Tokens are kept by ``scope``; ``refused`` is the ``Authorization`` that was refused
    or is about to expire.
    """

    scope: str
    challenge: Challenge
    request: TokenRequest
    refused: str = field(repr=False)

    def parse(self, body: bytes, now: float) -> BearerToken:
        """Parse the token server's response with status 200, received at ``now``; raises `InvalidContent`."""
        from .challenge import parse_token

        token = parse_token(body, str(Origin.of(self.request.url)))
        return BearerToken(token.value, token.life, now + token.life * _REFRESH_AT, self.challenge, token.secrets)


@dataclass(frozen=True, slots=True)
class Send:
    """Step: send the request with ``headers``. The result is the response (`Response`)."""

    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A bearer token, valid for ``life`` seconds.

    A new one is requested from ``refresh_at`` on, a time of the monotonic clock, at the token server of ``challenge``.
    ``secrets`` are all tokens that came with it.
    """

    value: str = field(repr=False)
    life: float
    refresh_at: float
    challenge: Challenge
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def header(self) -> str:
        """The value of ``Authorization`` (RFC 6750 section 2.1)."""
        return f"Bearer {self.value}"

    def is_usable(self, now: float, refused: str = "") -> bool:
        """Return whether the token need not be refreshed yet, and is not the one that was ``refused``."""
        return now < self.refresh_at and self.header != refused


Step: TypeAlias = NeedHeaders | NeedCredentials | NeedChallenges | NeedToken | Send
# Any: the type of the value to send depends on the step; each kind of step names the type of its result.
Flow: TypeAlias = Generator[Step, Any, None]


class Authorizer:
    """Authorizes the requests for one repository to its registry.

    ``tokens`` are the tokens by scope; the caller of a flow adds new ones. ``now`` returns the time of the monotonic
    clock. A ``registry_token`` is sent unasked, and nothing else, unless there are ``given_credentials`` too: then the
    challenge decides, the token is for Bearer and they are for Basic. ``trusted_realms`` are token servers (``host`` or
    ``host:port``) that get credentials although they do not belong to the registry's site, over plain http too if that
    is what the registry says; ``insecure`` allows token servers with plain http. With ``exact_scope`` the scope in a
    challenge is not added to that of a token, and `NeedChallenges` is left out.

    Every secret is added to ``redactor`` before it is sent.
    """

    def __init__(
        self,
        registry: str,
        tokens: Mapping[str, BearerToken],
        redactor: Redactor,
        now: Callable[[], float],
        *,
        registry_token: str = "",
        given_credentials: bool = False,
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
        self._token_unasked = bool(registry_token) and not given_credentials
        self._may_ping = not exact_scope
        self._basic = ""
        redactor.add(registry_token)

    @property
    def basic_header(self) -> str:
        """The Basic ``Authorization`` (RFC 7617) once the registry has asked for it, otherwise empty."""
        return self._basic

    @property
    def sends_given_token(self) -> bool:
        """Whether requests have the registry token that the caller gave."""
        return bool(self._registry_token) and not self._basic

    def flow(self, url: str, scope: str) -> Flow:
        """Authorize one request to the registry's own origin; ``scope`` is that of the token, where tokens are used.

        Credentials are used from the first request on, as the challenge for ``/v2/`` asks for them: what is said to
        those who come without may be wrong for this user, and no error. Without credentials nothing is sent before a
        challenge. The result of the last `Send` is the final response. Raises `UnsafeAddress` for a token server that
        must not be used.
        """
        if self._token_unasked:
            yield Send({"Authorization": f"Bearer {self._registry_token}"})
            return
        helper: HelperHeaders | None = yield NeedHeaders(url)
        headers = self._helper_headers(helper)
        if "Authorization" not in headers:
            value = (yield from self._saved_authorization(scope)) or (yield from self._first_authorization(url, scope))
            headers |= {"Authorization": value} if value else {}
        for _ in range(_MAX_CHALLENGES):
            response: Response = yield Send(headers)
            if response.status_code != 401:
                return
            if helper is not None and helper.authorization:
                helper = yield NeedHeaders(url, stale=helper)
                improved = self._helper_headers(helper)
            else:
                challenges = response.headers.get_list("www-authenticate")
                credentials = _only_credentials((yield NeedCredentials()))
                refused = headers.get("Authorization", "")
                value = yield from self._answer_challenge(challenges, credentials, url, scope, refused)
                improved = {**headers, "Authorization": value} if value else {}
            if not improved or improved == headers:
                return
            headers = improved
        yield Send(headers)

    def _helper_headers(self, helper: HelperHeaders | None) -> dict[str, str]:
        headers = dict(helper.headers) if helper is not None else {}
        for value in headers.values():
            self._redactor.add(value, value.rpartition(" ")[2])
        return headers

    def _saved_authorization(self, scope: str) -> Generator[Step, Any, str]:
        """Return the ``Authorization`` of an earlier request, refreshed if needed; empty if there was none."""
        token = self._tokens.get(scope)
        if self._basic or token is None:
            return self._basic
        if token.is_usable(self._now()):
            return token.header
        credentials = _only_credentials((yield NeedCredentials()))
        return (yield from self._request_token(token.challenge, scope, scope, credentials, refused=token.header))

    def _first_authorization(self, url: str, scope: str) -> Generator[Step, Any, str]:
        """Return the ``Authorization`` that the registry asks for at ``/v2/``; empty without credentials for it."""
        if not self._may_ping:
            return ""
        credentials = _only_credentials((yield NeedCredentials()))
        value = ""
        if credentials is not None:
            challenges: Iterable[str] = yield NeedChallenges()
            value = yield from self._answer_challenge(challenges, credentials, resolve_url(url, "/v2/"), scope, "")
        self._may_ping = bool(value)
        return value

    def _answer_challenge(
        self, challenges: Iterable[str], credentials: Credentials | None, url: str, scope: str, refused: str
    ) -> Generator[Step, Any, str]:
        """Return the ``Authorization`` for the values of ``WWW-Authenticate``; empty if no challenge can be met.

        ``url`` is that of the request which was challenged.
        """
        from .challenge import Challenge, basic_authorization, parse_challenges, select_challenge, widen_scope

        token = self._registry_token
        challenge = select_challenge(parse_challenges(challenges), credentials, has_token=bool(token))
        if challenge is None:
            return ""
        if challenge.scheme == "basic" and credentials is not None:
            self._basic = basic_authorization(credentials)
            self._redactor.add(credentials.password, self._basic.removeprefix("Basic "))
            return self._basic
        if token:
            return f"Bearer {token}"
        challenge = Challenge("bearer", {**challenge.parameters, "realm": self._realm_url(url, challenge.realm)})
        # The scope that the challenge names, and that of the next requests: with only one of them a token would
        # have to be requested for every other request.
        token_scope = scope if self._exact_scope else widen_scope(scope, challenge.scope)
        return (yield from self._request_token(challenge, scope, token_scope, credentials, refused=refused))

    def _request_token(
        self, challenge: Challenge, scope: str, token_scope: str, credentials: Credentials | None, *, refused: str
    ) -> Generator[Step, Any, str]:
        from .challenge import basic_authorization, token_request

        present = self._tokens.get(scope)
        if present is not None and present.is_usable(self._now(), refused):  # another request has got a new one
            return present.header
        self._check_realm(challenge, credentials)
        if credentials is not None:
            encoded = basic_authorization(credentials).removeprefix("Basic ")
            self._redactor.add(credentials.password, credentials.identity_token, encoded)
        request = token_request(challenge, token_scope, credentials)
        token: BearerToken = yield NeedToken(scope, challenge, request, refused)
        self._redactor.add(token.value, *token.secrets)
        return token.header

    def _realm_url(self, url: str, realm: str) -> str:
        """Return the URL of the token server that the response for ``url`` names.

        A registry behind a proxy that ends TLS may name its own host with plain http. It is reached by https, unless
        plain http is allowed, or wanted at another port by a trusted realm.
        """
        target, origin = resolve_url(url, realm), Origin.of(url)
        elsewhere = Origin.of(target).port not in (80, 443, origin.port) and self._is_trusted(Origin.of(target))
        return target if self._insecure or elsewhere else with_https(target, origin)

    def _is_trusted(self, realm: Origin) -> bool:
        return not {realm.netloc, realm.host}.isdisjoint(self._trusted_realms)

    def _check_realm(self, challenge: Challenge, credentials: Credentials | None) -> None:
        realm = Origin.of(challenge.realm)
        host = Origin.of(f"https://{self._registry}").host
        trusted = self._is_trusted(realm)
        if realm.scheme != "https" and not (self._insecure or trusted):
            raise UnsafeAddress(
                f"{self._registry} wants its tokens fetched over plain http from {realm}: refused; "
                f"to have it so, say --trust-realm {realm.netloc}"
            )
        if credentials is not None and not trusted and not may_have_credentials(host, realm.host):
            raise UnsafeAddress(
                f"{self._registry} wants its credentials sent to {realm}, which is not plainly its own; "
                f"if it is, say --trust-realm {realm.host}; without credentials, --src-no-creds"
            )


def _only_credentials(found: Credentials | HelperHeaders | None) -> Credentials | None:
    """Return ``found`` if it can be used for a challenge; None for a helper's headers, which are sent before one."""
    return found if isinstance(found, Credentials) else None


def describe_credentials(found: Credentials | HelperHeaders | None) -> str:
    """Return the part of an error message that says which credentials were used, without the secret."""
    if found is None:
        return ", tried without credentials"
    if not isinstance(found, Credentials):
        return ", tried what the credential helper gave"
    return ", tried an identity token" if found.identity_token else f", tried as user {found.username}"
