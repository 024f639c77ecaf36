"""Parse ``WWW-Authenticate`` and token responses, and build token requests. Pure.

RFC 9110 section 11.6.1, and "Token Authentication Specification" of the distribution project.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..credentials.authfile import Credentials
from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from ..model.strict_json import parse_object

# The maximum size of a token response in bytes.
TOKEN_LIMIT = 128 * 1024
# Seconds.
_MIN_LIFE = 60.0
_MAX_LIFE = 1e9
_CLIENT_ID = "pyskopeo"
# The members of a token response that are secret.
_TOKENS = ("token", "access_token", "refresh_token", "id_token")

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a name
_ACTION = r"\*|[a-z_]{1,32}"
_PIECE = (
    rf"""\s*(?:
        (?P<name>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))
      | (?P<scheme>{_TOKEN})(?=\s|,|$)
      | (?P<comma>,)
    )"""
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """An authentication scheme that a server offers, and its parameters by lower-case name (RFC 9110 section 11.3)."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def realm(self) -> str:
        """The URL of the token server; empty if there is none."""
        return self.parameters.get("realm", "")

    @property
    def service(self) -> str:
        """The name of the registry at the token server; empty if there is none."""
        return self.parameters.get("service", "")

    @property
    def scope(self) -> str:
        """The scope that the token needs, ``TYPE:NAME:ACTION,...`` separated by blanks; empty if there is none."""
        return self.parameters.get("scope", "")


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges in all values of ``WWW-Authenticate``, in order; each is parsed up to its first error."""
    return tuple(challenge for header in headers for challenge in _parse_header(header[:16384]))


def _parse_header(header: str) -> Iterable[Challenge]:
    scheme, position = "", 0
    parameters: dict[str, str] = {}
    # Compiled here, not on import, because a pull without a token does not need it.
    piece = re.compile(_PIECE, re.VERBOSE | re.ASCII)
    while match := piece.match(header, position):
        position = match.end()
        if match["scheme"]:
            if scheme:
                yield Challenge(scheme, parameters)
            scheme, parameters = match["scheme"].lower(), {}
        elif match["name"] and scheme:
            value = match["plain"] if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])
            parameters.setdefault(match["name"].lower(), value)
    if scheme:
        yield Challenge(scheme, parameters)


def select_challenge(
    challenges: Iterable[Challenge], credentials: Credentials | None, *, has_token: bool = False
) -> Challenge | None:
    """Return the first challenge that can be met: ``basic`` with a password, ``bearer`` with a realm or a token."""
    has_password = credentials is not None and not credentials.identity_token
    for challenge in challenges:
        if (challenge.scheme == "basic" and has_password) or (
            challenge.scheme == "bearer" and (challenge.realm or has_token)
        ):
            return challenge
    return None


def widen_scope(scope: str, demanded: str) -> str:
    """Return ``scope`` with the actions that a challenge demands on its first resource, this repository.

    Other repositories in ``demanded``, or the registry's catalog, are left out: the registry receives the token, and
    could use it there with all the rights of the user. Scopes are ``TYPE:NAME:ACTION,...``, separated by blanks.
    """
    own, *others = scope.split()
    resource, _, actions = own.rpartition(":")
    merged = dict.fromkeys(actions.split(","))
    for one in demanded.split():
        other, _, more = one.rpartition(":")
        if other == resource:
            merged |= dict.fromkeys(action for action in more.split(",") if re.fullmatch(_ACTION, action))
    return " ".join((f"{resource}:{','.join(merged)}", *others))


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token server. ``headers`` and ``content`` may hold a secret."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)

    @property
    def has_secret(self) -> bool:
        """Whether it is sent with credentials."""
        return "Authorization" in self.headers or bool(self.content)


def token_request(challenge: Challenge, scope: str, credentials: Credentials | None) -> TokenRequest:
    """Return the request for a token with ``scope``.

    An identity token is sent by POST with the OAuth2 refresh grant (RFC 6749 section 6). Otherwise the request is a
    GET, anonymous or with Basic credentials. The query of the realm is kept.
    """
    if credentials is not None and credentials.identity_token:
        form = {
            "grant_type": "refresh_token",
            "client_id": _CLIENT_ID,
            "refresh_token": credentials.identity_token,
        }
        form |= {"service": challenge.service} if challenge.service else {}
        form |= {"scope": scope} if scope else {}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return TokenRequest("POST", challenge.realm, headers, urlencode(form).encode())
    query: list[tuple[str, str]] = []
    headers = {}
    if credentials is not None:
        query.append(("account", credentials.username))
        headers["Authorization"] = basic_authorization(credentials)
    if challenge.service:
        query.append(("service", challenge.service))
    query += [("scope", one) for one in scope.split()]
    parts = urlsplit(challenge.realm)
    joined = "&".join(filter(None, (parts.query, urlencode(query, errors="surrogateescape"))))
    return TokenRequest("GET", urlunsplit(parts._replace(query=joined, fragment="")), headers)


def basic_authorization(credentials: Credentials) -> str:
    """Return the value of an ``Authorization: Basic`` header (RFC 7617)."""
    import base64

    pair = f"{credentials.username}:{credentials.password}".encode("utf-8", "surrogateescape")
    return "Basic " + base64.b64encode(pair).decode("ascii")


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, valid for ``life`` seconds; ``secrets`` are all tokens of the response, this one included."""

    value: str = field(repr=False)
    life: float
    secrets: tuple[str, ...] = field(default=(), repr=False)


def parse_token(content: bytes, where: str) -> Token:
    """Parse the response of the token server ``where``; raises `InvalidContent` if it has no usable token.

    A life that is missing or below 60 s is taken as 60 s, as in containers/image.
    """
    fields = parse_object(content, f"the answer of {where}", TOKEN_LIMIT)
    value = fields.get("token") or fields.get("access_token")
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise InvalidContent(f"the answer of {where} holds no token")
    life = fields.get("expires_in")
    seconds = life if isinstance(life, int | float) and not isinstance(life, bool) else _MIN_LIFE
    secrets = tuple(text for name in _TOKENS if isinstance(text := fields.get(name), str))
    return Token(value, float(min(max(seconds, _MIN_LIFE), _MAX_LIFE)), secrets)
