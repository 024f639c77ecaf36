"""Users and their passwords from an htpasswd file with bcrypt hashes (``htpasswd -B``).

A password is compared once with its hash, which takes a while on purpose. That it was right is remembered under a
keyed hash of the user, the password and the hash in the file, so that further requests cost nothing, and a changed file
counts at once.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Mapping

from ..errors import InvalidInput

FILE_LIMIT = 4 * 1024 * 1024  # bytes
_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}", re.ASCII)
_LOWEST_COST, _HIGHEST_COST = 4, 17  # of bcrypt; 17 takes some ten seconds
_NO_DIGEST = "." * 53
_USED_BYTES = 72  # of a password, by bcrypt; htpasswd and Apache ignore the rest
_REMEMBERED = 1024  # passwords


def parse_htpasswd(raw: bytes, where: str) -> dict[str, bytes]:
    """Return the bcrypt hash of each user; raises `InvalidInput`, naming the file ``where`` and the line."""
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is no htpasswd file: it is not UTF-8") from None
    users: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, value = line.strip().partition(":")
        if not colon or not user:
            raise InvalidInput(f"{where}: line {number} is not USER:HASH")
        found = _HASH.fullmatch(value)
        if found is None:
            raise InvalidInput(f"{where}: line {number} has no bcrypt hash: write it with htpasswd -B")
        if not _LOWEST_COST <= int(found[1]) <= _HIGHEST_COST:
            raise InvalidInput(f"{where}: line {number} has a bcrypt hash of cost {int(found[1])}, want up to 17")
        if user[0] == "@" or not user.isprintable():
            raise InvalidInput(f"{where}: line {number} has a name of a user that cannot be used")
        users[user] = value.encode()
    if not users:
        raise InvalidInput(f"{where} has no users: add one with htpasswd -B")
    return users


class Passwords:
    """The users of a file, and which passwords have been found to be right."""

    def __init__(self, users: Mapping[str, bytes]) -> None:
        from secrets import token_bytes

        self._key = token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self.replace(users)

    def replace(self, users: Mapping[str, bytes]) -> None:
        """Use other users from now on."""
        self._users = dict(users)
        costs = Counter(value[4:6] for value in self._users.values())
        # Without a user of that name the comparison takes as long as with one, and fails.
        self._nobody = b"$2b$%b$" % costs.most_common(1)[0][0] + _NO_DIGEST.encode()

    def hash_of(self, user: str) -> bytes:
        """Return the hash of a user's password, b"" if there is no such user."""
        return self._users.get(user, b"")

    def is_known(self, user: str, password: str) -> bool:
        """Return whether this password was found to be right before; takes microseconds."""
        key = self._key_of(user, password)
        try:
            self._right.move_to_end(key)
        except KeyError:  # or another thread has just dropped it
            return False
        return True

    def check(self, user: str, password: str) -> bool:
        """Compare a password with its hash; takes up to seconds, without the interpreter's lock."""
        import bcrypt

        if self._key_of(user, password) in self._right:  # by another request, while this one waited
            return True
        expected = self._users.get(user)
        secret = password.encode("utf-8", "surrogateescape")[:_USED_BYTES]
        try:
            right = bcrypt.checkpw(secret, expected or self._nobody)
        except ValueError:  # a NUL, which no password has
            return False
        if not right or expected is None:
            return False
        self._right[self._key_of(user, password)] = None
        while len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _key_of(self, user: str, password: str) -> bytes:
        import hmac

        text = "\0".join((user, self._users.get(user, b"").decode(), password))
        return hmac.digest(self._key, text.encode("utf-8", "surrogateescape"), "sha256")
