"""Tokens that the server issues itself: what `docker` fetches for a login, or for nobody ("Token Authentication").

A token says who its bearer is, and for how long; what that user may do is looked up at each request.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from secrets import token_bytes

LIFETIME = 300
"""Seconds."""
_LONGEST = 1024  # characters
_SIGNATURE = 32  # bytes


class IssuedTokens:
    """Makes and reads tokens, signed with a key of this process.

    ``stamp_of`` returns what a user's login depends on, such as the hash of the password: with another one, tokens
    are not valid any more.
    """

    def __init__(self, stamp_of: Callable[[str], bytes]) -> None:
        self._key = token_bytes(32)
        self._stamp_of = stamp_of

    def issue(self, user: str) -> str:
        """Return a token for ``user``, "" for a client without a login."""
        content = json.dumps([user, int(time.time()) + LIFETIME]).encode()
        return urlsafe_b64encode(self._sign(user, content) + content).decode()

    def user_of(self, token: str) -> str | None:
        """Return the user that a token was issued for; None if it is not valid (any more)."""
        from hmac import compare_digest

        if len(token) > _LONGEST:
            return None
        try:
            raw = urlsafe_b64decode(token.encode("ascii"))
            signature, content = raw[:_SIGNATURE], raw[_SIGNATURE:]
            user, expires = json.loads(content)
            signed = compare_digest(signature, self._sign(str(user), content))
        except (ValueError, TypeError, RecursionError):
            return None
        return str(user) if signed and expires > time.time() else None

    def _sign(self, user: str, content: bytes) -> bytes:
        import hmac

        return hmac.digest(self._key, self._stamp_of(user) + b"\0" + content, "sha256")
