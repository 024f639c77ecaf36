"""Where logins are kept: one file, or the helpers that it names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..credentials import docker_helper
from ..credentials.authfile import AUTH_FILES, LEGACY_NAME, AuthFile, Credentials, servers
from ..credentials.authfile_edit import AuthDocument
from ..credentials.authfile_io import read
from ..credentials.authkey import AuthKey
from ..credentials.helper_program import Programs
from ..errors import CredentialsFailed, InvalidInput, StorageFailed, prefix_errors
from ..fast_dataclass import dataclass
from ..storage.files import FileSink, locked, staged, storage_errors

_MODE = 0o600
_PARENT_MODE = 0o700

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """One file of credentials, to be changed by several at a time.

    ``docker``: it is Docker's ``config.json``. A helper that the file names for a host keeps that
    host's secret in its place. The file is replaced under a lock, by one that only its owner may
    read; a symbolic link stays, and what it leads to is replaced. ``helpers`` are the ``credential-helpers``
    of ``registries.conf``: the first keeps what is new, all forget what is old, and `AUTH_FILES` among
    them is the file. Without ``use_helpers`` all is kept in the file, whatever anybody says.
    """

    path: Path
    programs: Programs
    docker: bool = False
    helpers: tuple[str, ...] = (AUTH_FILES,)
    use_helpers: bool = True

    async def put(self, key: AuthKey, credentials: Credentials) -> str:
        """Keep ``credentials`` for ``key``; answers with where they are, for people to read.

        Raises `CredentialsFailed`, `InvalidInput` and `StorageFailed`; nothing is kept then.
        """
        self._check()
        first = next((name for name in self.helpers if name == AUTH_FILES or self._runs(name)), AUTH_FILES)
        if first != AUTH_FILES:
            return await self._store(first, str(key), key, credentials, "registries.conf")
        document = self._read(self._target())
        server = document.name(key)
        helper = document.helper(key)
        if helper is None or not self._runs(helper[0]):
            await self._change(lambda document: document.put(key, credentials))
            return str(self.path)
        name, is_store = helper
        # Outside the lock: the helper may want to change the same file.
        where = await self._store(name, server, key, credentials, str(self.path))
        if is_store:
            await self._change(lambda document: document.put(key, None))
        return where

    async def remove(self, key: AuthKey) -> bool:
        """Forget what is kept for ``key``; whether there was anything. Raises as `put` does."""
        self._check()
        document = self._read(self._target())
        document.name(key)
        helper = document.helper(key)
        was_known = False
        if not key.namespace:
            for name in (*self._others(), *([helper[0]] if helper else [])):
                was_known |= await self._erase(name, servers(key.host))
        return await self._change(lambda document: document.remove(key)) or was_known

    async def clear(self) -> None:
        """Forget everybody, in the helpers that the file names as well. Raises as `put` does."""
        self._check()
        for name, known_as in self._read(self._target()).helped():
            await self._erase(name, known_as)
        for name in self._others():
            for server in await docker_helper.servers_of(name, self.programs):
                await self._erase(name, (server,))
        await self._change(AuthDocument.clear)

    def logins(self) -> AuthFile:
        """What is in the file now, which need not be there."""
        return self._read(self._target()).file

    def _runs(self, name: str) -> bool:
        return self.use_helpers and not docker_helper.is_ourselves(name)

    def _others(self) -> list[str]:
        return [name for name in self.helpers if name != AUTH_FILES and self._runs(name)]

    async def _store(self, name: str, server: str, key: AuthKey, credentials: Credentials, named_by: str) -> str:
        if key.namespace:
            raise InvalidInput(f"namespaced key is not supported for credential helper {name}")
        with prefix_errors(f"{named_by}: credential helper {name}"):
            await docker_helper.store(name, server, credentials, self.programs)
        return f"credential helper: {name}"

    async def _erase(self, name: str, known_as: tuple[str, ...]) -> bool:
        """Whether the helper knew the server by any of its names: some call it a failure to know one not."""
        if not self._runs(name):
            return False
        was_known, failure = False, None
        for server in known_as:
            try:
                with prefix_errors(f"{self.path}: credential helper {name}"):
                    was_known |= await docker_helper.erase(name, server, self.programs)
            except CredentialsFailed as error:
                failure = failure or error
        if failure is not None and not was_known:
            raise failure
        return was_known

    async def _change(self, change: Callable[[AuthDocument], Result]) -> Result:
        target = self._target()
        with storage_errors(f"creating {target.parent}"):
            # Go's MkdirAll gives its mode to every directory it makes; Python's makedirs to the last alone.
            for folder in reversed([target.parent, *target.parent.parents]):
                folder.mkdir(_PARENT_MODE, exist_ok=True)
        async with locked(target.parent):
            document = self._read(target)
            result = change(document)
            if result is not False:  # there was something to change
                with staged(target, _MODE) as (fd, _):
                    FileSink(fd, target).write(memoryview(document.text().encode()))
        return result

    def _target(self) -> Path:
        """The file behind a symbolic link, the one to be replaced."""
        return Path(os.path.realpath(self.path))

    def _check(self) -> None:
        if self.path.name == LEGACY_NAME:
            raise InvalidInput(f"writes to {self.path} using legacy format are not supported; name an auth.json")

    def _read(self, target: Path) -> AuthDocument:
        try:
            content = read(target, regular=True).decode()
        except (FileNotFoundError, NotADirectoryError):
            content = ""
        except UnicodeDecodeError:
            raise CredentialsFailed(f"{self.path}: not text in UTF-8; correct the file or log in again") from None
        except OSError as error:
            raise StorageFailed.of(error, f"reading {self.path}") from None
        return AuthDocument.parse(content, str(self.path), docker=self.docker)

