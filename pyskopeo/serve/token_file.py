"""Static tokens with their rights: the file of ``--token-file``. Pure.

::

    [[token]]
    name = "ci"                          # the user name with which the token is a password, and the name in the log
    sha256 = "9f86d081884c7d65..."       # of the token; instead of it: token = "..." with the token itself
    actions = ["pull", "push"]
    repositories = ["team/**"]
    expires = 2027-01-31T00:00:00Z       # optional
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .access_rules import Grant, parse_grant, parse_toml, refuse_unknown, tables_of

FILE_LIMIT = 4 * 1024 * 1024  # bytes
_SHORTEST = 16  # characters of a token that is given itself
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._+-]{1,100}", re.ASCII)
_KEYS = {"name", "sha256", "token", "actions", "repositories", "expires"}


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token's ``name`` and rights. It is valid before ``expires``, in seconds since the epoch; None: for ever."""

    name: str
    grant: Grant
    expires: float | None

    def is_valid(self, now: float) -> bool:
        """Return whether it is valid at the time ``now``, in seconds since the epoch."""
        return self.expires is None or now < self.expires


def hash_of(token: str) -> str:
    """Return the SHA-256 of a token, in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def parse_token_file(raw: bytes, where: str) -> dict[str, StaticToken]:
    """Return the tokens by their hashes; raises `InvalidInput`, naming the file ``where`` and the token's number."""
    found: dict[str, StaticToken] = {}
    names: set[str] = set()
    for number, table in enumerate(tables_of(parse_toml(raw, where), "token", where), 1):
        place = f"{where}: token {number}"
        refuse_unknown(table, _KEYS, place)
        name, hashed = table.get("name"), _hash_in(table, place)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidInput(f"{place}: name is to be a text of letters, digits and .+-_")
        if name in names or hashed in found:
            raise InvalidInput(f"{place}: the name or the token is there twice")
        names.add(name)
        found[hashed] = StaticToken(name, parse_grant(table, place), _expiry(table, place))
    if not found:
        raise InvalidInput(f"{where} has no tokens: want tables [[token]]")
    return found


def _hash_in(table: Mapping[str, Any], place: str) -> str:
    hashed, token = table.get("sha256"), table.get("token")
    if (hashed is None) == (token is None):
        raise InvalidInput(f"{place}: want sha256 or token, and not both")
    if token is not None:
        if not isinstance(token, str) or len(token) < _SHORTEST:
            raise InvalidInput(f"{place}: token is to be a text of {_SHORTEST} characters or more")
        return hash_of(token)
    if not isinstance(hashed, str) or not _SHA256.fullmatch(hashed):
        raise InvalidInput(f"{place}: sha256 is to be 64 hexadecimal digits in lower case")
    return hashed


def _expiry(table: Mapping[str, Any], place: str) -> float | None:
    expires = table.get("expires")
    if expires is None:
        return None
    if isinstance(expires, date) and not isinstance(expires, datetime):
        expires = datetime.combine(expires, time(), UTC)
    if not isinstance(expires, datetime):
        raise InvalidInput(f"{place}: expires is to be a date or a time such as 2027-01-31T00:00:00Z")
    return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)).timestamp()
