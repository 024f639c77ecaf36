"""Who a client is: logins with passwords and tokens, and what is answered to those without."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .access_rules import AccessRules, Grant, default_rules
from .answers import Refusal
from .failed_logins import FailedLogins, client_of
from .htpasswd import Passwords
from .issued_tokens import IssuedTokens
from .request_target import TOKEN_PATH, Target
from .token_file import StaticToken, hash_of

if TYPE_CHECKING:
    from anyio import CapacityLimiter
    from starlette.types import Scope

_LONGEST_HEADER = 4096  # bytes of an Authorization header
_COMPARISONS, _WAITING = 2, 64  # of passwords at once, and of requests that wait for one
_SCOPE_ACTIONS = {"pull": "pull", "push": "pull,push", "delete": "delete"}
# Before the name of a static token; names of users have no colon.
_TOKEN = "token:"  # noqa: S105 - a prefix
_ASK_FOR_PASSWORD = {"WWW-Authenticate": 'Basic realm="pyskopeo", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class Identity:
    """A client: the ``name`` of its user, "" without a login, and the right of its token, None if the rules count."""

    name: str
    grant: Grant | None = None


NOBODY = Identity("")


class LoginRefused(Exception):
    """Internal: a client is not who it says; ``refusal`` is the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Authentication:
    """The logins and rights of a server; all of them may be replaced while it runs.

    ``public_url`` is the server's address as clients have it, where that is not what they send as Host; "" otherwise.
    ``failures`` counts the logins that failed.
    """

    def __init__(self, public_url: str = "") -> None:
        self.rules: AccessRules = default_rules()
        self.failures = 0
        self._passwords: Passwords | None = None
        self._tokens: Mapping[str, StaticToken] = {}
        self._public_url = public_url.rstrip("/")
        self._failed = FailedLogins()
        self.issued = IssuedTokens(self._stamp_of)
        self._comparisons: CapacityLimiter | None = None

    def use_passwords(self, users: Mapping[str, bytes]) -> None:
        """Have users log in with passwords, of which these are the bcrypt hashes."""
        if self._passwords is None:
            self._passwords = Passwords(users)
        else:
            self._passwords.replace(users)

    def use_tokens(self, tokens: Mapping[str, StaticToken]) -> None:
        """Accept these static tokens, by their hashes."""
        self._tokens = tokens

    def allows(self, identity: Identity, repository: str, action: str) -> bool:
        """Return whether a client may do ``action`` in ``repository``."""
        if identity.grant is not None:
            anybody = self.rules.allow("", repository, action)
            return anybody or identity.grant.allows(repository, action)
        return self.rules.allow(identity.name, repository, action)

    async def identify(self, scope: Scope) -> Identity:
        """Return who sends a request; raises `LoginRefused`."""
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not header:
            return NOBODY
        if len(header) <= _LONGEST_HEADER:
            scheme, _, value = header.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                return self._bearer(scope, value.strip())
            if scheme.lower() == "basic" and (login := _basic(value)) is not None:
                return await self._login(scope, *login)
        raise LoginRefused(Refusal(400, "UNAUTHORIZED", "the Authorization header is not valid"))

    def challenge(self, scope: Scope, target: Target, error: str = "") -> Mapping[str, str]:
        """Return the header that asks a client for a login (distribution registry, "Token Authentication").

        Where something is allowed without a login, this is the token service, since `docker` sends nothing else to a
        registry that wants passwords of some only.
        """
        if not self.rules.have_anonymous:
            return _ASK_FOR_PASSWORD
        address = self._address(scope)
        fields = [f'realm="{address}{TOKEN_PATH}"', f'service="{address.partition("://")[2]}"']
        if target.repository:
            fields.append(f'scope="repository:{target.repository}:{_SCOPE_ACTIONS[target.action]}"')
        if error:
            fields.append(f'error="{error}"')
        return {"WWW-Authenticate": f"Bearer {','.join(fields)}"}

    def _address(self, scope: Scope) -> str:
        host = next((value.decode("ascii") for name, value in scope["headers"] if name == b"host"), "localhost")
        return self._public_url or f"{scope['scheme']}://{host}"

    def _stamp_of(self, user: str) -> bytes:
        if user.startswith(_TOKEN):
            return next((hashed.encode() for hashed, one in self._tokens.items() if _is_of(one, user)), b"")
        return self._passwords.hash_of(user) if self._passwords is not None else b""

    def _bearer(self, scope: Scope, token: str) -> Identity:
        found = self._static(token)
        if found is not None:
            return found
        user = self.issued.user_of(token)
        if user is not None:
            if not user.startswith(_TOKEN):
                return Identity(user)
            if (grant := next((one.grant for one in self._tokens.values() if _is_of(one, user)), None)) is not None:
                return Identity(user, grant)
        self.failures += 1
        headers = self.challenge(scope, Target("base", "", "pull"), "invalid_token")
        raise LoginRefused(Refusal(401, "UNAUTHORIZED", "the token is not valid, or not any more", headers))

    def _static(self, secret: str, name: str = "") -> Identity | None:
        """Return whose static token this is, of the given ``name`` if that is not ""."""
        token = self._tokens.get(hash_of(secret))
        if token is None or not token.is_valid(time.time()):
            return None
        return Identity(_TOKEN + token.name, token.grant) if name in ("", token.name) else None

    async def _login(self, scope: Scope, user: str, password: str) -> Identity:
        if not user and not password:  # what some clients send when they have no credentials
            return NOBODY
        found = self._static(password, user)
        if found is not None:
            return found
        if self._passwords is not None and self._passwords.is_known(user, password):
            return Identity(user)
        client = client_of((scope.get("client") or ("", 0))[0])
        if seconds := self._failed.seconds_to_wait(client):
            headers = {"Retry-After": str(int(seconds) + 1)}
            raise LoginRefused(Refusal(429, "TOOMANYREQUESTS", "too many logins have failed: wait a minute", headers))
        if self._passwords is not None and await self._compare(self._passwords, user, password):
            return Identity(user)
        self.failures += 1
        self._failed.failed(client)
        # Passwords are asked for by Basic, whatever else is offered to those without.
        wrong = "the user name or the password is wrong"
        raise LoginRefused(Refusal(401, "UNAUTHORIZED", wrong, _ASK_FOR_PASSWORD))

    async def _compare(self, passwords: Passwords, user: str, password: str) -> bool:
        from anyio import CapacityLimiter, to_thread

        if self._comparisons is None:
            self._comparisons = CapacityLimiter(_COMPARISONS)
        if self._comparisons.statistics().tasks_waiting >= _WAITING:
            raise LoginRefused(Refusal(503, "TOOMANYREQUESTS", "too many logins at once", {"Retry-After": "2"}))
        return await to_thread.run_sync(passwords.check, user, password, limiter=self._comparisons)


def _is_of(token: StaticToken, user: str) -> bool:
    """Return whether a static token is that of a user, and still valid."""
    return _TOKEN + token.name == user and token.is_valid(time.time())


def _basic(value: str) -> tuple[str, str] | None:
    """Return user and password of a Basic header (RFC 7617), None if it is not valid."""
    try:
        text = b64decode(value.strip(), validate=True).decode("utf-8", "surrogateescape")
    except ValueError:
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
