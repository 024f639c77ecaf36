"""``WWW-Authenticate``, token requests and token responses: pure (RFC 9110 section 11, distribution specification)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..credentials.authfile import Credentials
from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from ..model.strict_json import parse_object

TOKEN_LIMIT = 128 * 1024
_SHORTEST_LIFE = 60.0
_LONGEST_LIFE = 1e9
_CLIENT_ID = "pyskopeo"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word for a name
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
    """One scheme a server offers, with its parameters by lower-case name (RFC 9110 section 11.3)."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def realm(self) -> str:
        return self.parameters.get("realm", "")

    @property
    def service(self) -> str:
        return self.parameters.get("service", "")

    @property
    def scope(self) -> str:
        return self.parameters.get("scope", "")


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of all ``WWW-Authenticate`` values, in order; what cannot be parsed ends its header."""
    return tuple(challenge for header in headers for challenge in _parse_header(header[:16384]))


def _parse_header(header: str) -> Iterable[Challenge]:
    scheme, position = "", 0
    parameters: dict[str, str] = {}
    # Compiled only here: a pull that needs no token does not need it.
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


def select(challenges: Iterable[Challenge], credentials: Credentials | None) -> Challenge | None:
    """Return the first one that can be answered: ``bearer`` with a realm, or ``basic`` if there is a password."""
    has_password = credentials is not None and not credentials.identity_token
    for challenge in challenges:
        if (challenge.scheme == "basic" and has_password) or (challenge.scheme == "bearer" and challenge.realm):
            return challenge
    return None


def widened(scope: str, asked: str) -> str:
    """Return ``scope`` with the actions that a challenge asks for on the first resource, this repository.

    Other repositories that it asks for, or a registry's catalog, are left out: the registry gets the token, and
    could use it there with all the rights of the user. Scopes are ``TYPE:NAME:ACTION,...``, separated by blanks.
    """
    own, *others = scope.split()
    resource, _, actions = own.rpartition(":")
    wanted = dict.fromkeys(actions.split(","))
    for one in asked.split():
        other, _, more = one.rpartition(":")
        if other == resource:
            wanted |= dict.fromkeys(action for action in more.split(",") if re.fullmatch(_ACTION, action))
    return " ".join((f"{resource}:{','.join(wanted)}", *others))


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token server. ``headers`` and ``content`` may hold a secret."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)


def token_request(challenge: Challenge, scope: str, credentials: Credentials | None) -> TokenRequest:
    """Return the request for a token of ``scope``.

    An identity token is sent by POST, with the OAuth2 refresh grant; all else is a GET, with Basic credentials or
    anonymous. The query of the realm is kept.
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
        headers["Authorization"] = basic(credentials)
    if challenge.service:
        query.append(("service", challenge.service))
    query += [("scope", one) for one in scope.split()]
    parts = urlsplit(challenge.realm)
    joined = "&".join(filter(None, (parts.query, urlencode(query))))
    return TokenRequest("GET", urlunsplit(parts._replace(query=joined, fragment="")), headers)


def basic(credentials: Credentials) -> str:
    """Return the value of an ``Authorization: Basic`` header (RFC 7617)."""
    import base64

    pair = f"{credentials.username}:{credentials.password}".encode()
    return "Basic " + base64.b64encode(pair).decode("ascii")


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, valid for ``life`` seconds."""

    value: str = field(repr=False)
    life: float


def parse_token(content: bytes, where: str) -> Token:
    """Parse a token server's response; raises `InvalidContent` if there is no usable token in it.

    A life that is missing or below 60 s is taken for 60 s, as containers/image does.
    """
    answer = parse_object(content, f"the answer of {where}", TOKEN_LIMIT)
    value = answer.get("token") or answer.get("access_token")
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise InvalidContent(f"the answer of {where} holds no token")
    life = answer.get("expires_in")
    told = life if isinstance(life, int | float) and not isinstance(life, bool) else _SHORTEST_LIFE
    return Token(value, float(min(max(told, _SHORTEST_LIFE), _LONGEST_LIFE)))
