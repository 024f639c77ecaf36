"""Identity tokens (OpenID Connect Core, section 2): one that is given, and what one says about its owner."""

from __future__ import annotations

import re
from typing import Any, Protocol

from ..errors import InvalidContent, InvalidInput
from ..model import base64url
from ..model.strict_json import parse_object
from .fulcio import IdentityToken

_LIMIT = 64 * 1024  # bytes
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*", re.ASCII)
_TRUE = ("True", "true")


class User(Protocol):
    """The user who signs in, as far as a program can talk to one."""

    def show(self, text: str) -> None:
        """Show a line."""
        ...

    async def ask(self, question: str) -> str:
        """Show a question and return the answer; raises `InvalidInput` if nobody can answer."""
        ...

    def has_browser(self) -> bool:
        """Return whether there may be a browser with a window of its own."""
        ...

    async def open_browser(self, address: str) -> bool:
        """Open an address in that browser; return whether it could be."""
        ...


class GivenToken:
    """A token that the user has, with white space around it or not. A `fulcio.TokenSource`."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    async def token(self) -> IdentityToken:
        """Return the token; raises `InvalidInput` for text that is none, without any part of it."""
        return parse_token(self._text)


def parse_token(text: str) -> IdentityToken:
    """Return a token with the one whom it identifies; its signature is not checked, which the server does.

    Raises `InvalidInput` for text that is no token (RFC 7519), or one of nobody. No part of it is in an error.
    """
    claims = token_claims(text)
    email, subject, expires = (claims.get(name) for name in ("email", "sub", "exp"))
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        expires = None
    if isinstance(email, str) and email:
        if str(claims.get("email_verified")) not in _TRUE:  # some issuers write it as text
            raise InvalidInput("parsing OIDC token: its e-mail address is not verified by identity provider")
        return IdentityToken(text, email, expires)
    if not isinstance(subject, str) or not subject:
        raise InvalidInput("parsing OIDC token: no subject found in claims")
    return IdentityToken(text, subject, expires)


def token_claims(text: str) -> dict[str, Any]:
    """Return the claims of a token; raises `InvalidInput` for text that is none, without any part of it."""
    found = _COMPACT.fullmatch(text)
    if found is None or len(text) > _LIMIT:
        raise InvalidInput("parsing OIDC token: compact JWS format must have three parts of base64url")
    try:
        return parse_object(base64url.decode(found[1], "its payload"), "its payload", _LIMIT)
    except InvalidContent:
        raise InvalidInput("parsing OIDC token: its payload is no JSON object in base64url") from None
