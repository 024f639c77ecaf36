"""Tokens for registries that all processes of a user share.

A build tool runs a credential helper for each file that it fetches, and each run would request a token. A file has the
token of one repository. It is in the user's runtime directory (XDG Base Directory), which is lost when the user logs
out, or else in the cache directory, and only its owner can read it. It is locked while a process requests a token, so
that the others wait for that token instead of requesting their own. Where there can be no file each process requests
one; nothing else is lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..fast_dataclass import dataclass
from .private_files import open_locked, open_private, remove_old

# Seconds.
_MAX_AGE = 24 * 60 * 60.0
# How long to wait, in seconds, for another process to request a token: as long as Bazel waits for a helper.
_PATIENCE, _PAUSE = 10.0, 0.02
# The fraction of its life after which a token is not used any more, as in `registry.authorization`.
_REFRESH_AT = 0.75
# Bytes.
_MAX_SIZE = 256 * 1024
# Of PBKDF2: about a millisecond, for who knows the file and guesses passwords.
_ROUNDS = 4000
_DIRECTORY, _SUFFIX = "tokens", ".token"


@dataclass(frozen=True, slots=True)
class SavedToken:
    """The value of an ``Authorization`` header, requested at ``since`` (Unix time) and valid for ``life`` seconds.

    An empty value stands for the user's own credentials, which are not written into a file: the registry wants no
    token.
    """

    value: str
    since: float
    life: float

    @property
    def expires(self) -> float:
        """When it expires (Unix time)."""
        return self.since + self.life

    def is_usable(self) -> bool:
        """Return whether enough of its life is left. One from the future was saved before a clock was set back."""
        return self.since <= time.time() < self.since + self.life * _REFRESH_AT


class TokenCache:
    """The tokens in ``directory``, which is created when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def of(cls, environ: Mapping[str, str], cache: Path | None) -> TokenCache | None:
        """Return the tokens in the runtime directory, or else in the cache directory ``cache``; None without both."""
        runtime = environ.get("XDG_RUNTIME_DIR", "")
        if runtime.startswith("/") and os.path.isdir(runtime):
            return cls(Path(runtime, "pyskopeo", _DIRECTORY))
        return cls(cache / _DIRECTORY) if cache is not None else None

    async def get(
        self, name: str, secret: str, request: Callable[[], Awaitable[SavedToken | None]]
    ) -> SavedToken | None:
        """Return the token for the repository ``name`` that was requested with ``secret``, or that of ``request()``.

        ``secret`` is all that a token depends on besides its repository. Concurrent calls, of other processes too, make
        one request, unless it takes more than 10 s. Raises what ``request`` raises.
        """
        found = self.find(name, secret)
        if found is not None:
            return found
        fd = await self._lock(name)
        if fd is None:
            return await request()
        try:
            found = _read(fd, name, secret)
            if found is None:
                found = await request()
                if found is not None:
                    _write(fd, name, secret, found)
            return found
        finally:
            os.close(fd)

    def find(self, name: str, secret: str) -> SavedToken | None:
        """Return the token for the repository ``name`` if it can be used; None if there is none."""
        try:
            fd = open_private(self._path(name), os.O_RDONLY)
        except OSError:
            return None
        try:
            return _read(fd, name, secret)
        finally:
            os.close(fd)

    def clear(self) -> None:
        """Remove all tokens; those that cannot be removed are left."""
        with suppress(OSError):
            remove_old(self._directory, _SUFFIX, 0)

    async def _lock(self, name: str) -> int | None:
        """Open and lock the file of a repository; None if it cannot be used, or another process has it for too long."""
        from anyio import sleep

        until = time.monotonic() + _PATIENCE
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            remove_old(self._directory, _SUFFIX, _MAX_AGE)
            while (fd := open_locked(self._path(name))) is None:
                if time.monotonic() >= until:
                    return None
                await sleep(_PAUSE)
        except OSError:
            return None
        return fd

    def _path(self, name: str) -> Path:
        return self._directory / (hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:32] + _SUFFIX)


def _read(fd: int, name: str, secret: str) -> SavedToken | None:
    """Return what an open file has; None if it is damaged, of another secret, or not usable any more."""
    try:
        checksum, _, text = os.pread(fd, _MAX_SIZE, 0).partition(b"\n")[0].partition(b" ")
        # A file is read while another process writes it.
        if hashlib.sha256(text).hexdigest().encode() != checksum:
            return None
        found: Any = json.loads(text)
        token = SavedToken(str(found["authorization"]), float(found["since"]), float(found["life"]))
        same = found["name"] == name and found["secret"] == _fingerprint(str(found["salt"]), secret)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return token if same and token.is_usable() else None


def _write(fd: int, name: str, secret: str, token: SavedToken) -> None:
    """Replace what an open file has; an error leaves what cannot be read."""
    salt = os.urandom(16).hex()
    fields = {
        "name": name, "salt": salt, "secret": _fingerprint(salt, secret),
        "authorization": token.value, "since": token.since, "life": token.life,
    }  # fmt: skip
    text = json.dumps(fields).encode()
    line = hashlib.sha256(text).hexdigest().encode() + b" " + text + b"\n"
    if len(line) <= _MAX_SIZE:
        # One line, of which a longer one before it leaves only what is not read.
        with suppress(OSError):
            os.pwrite(fd, line, 0)


def _fingerprint(salt: str, secret: str) -> str:
    """Return what tells whether a token was requested with a secret, from which the secret cannot be had."""
    return hashlib.pbkdf2_hmac("sha256", secret.encode(errors="surrogateescape"), salt.encode(), _ROUNDS).hex()
