"""Storage of logins, in an auth file or in the credential helpers that are configured for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..config.user_files import AUTH_FILES
from ..credentials import docker_helper
from ..credentials.authfile import LEGACY_NAME, AuthFile, Credentials, servers
from ..credentials.authfile_edit import AuthDocument
from ..credentials.authfile_io import read
from ..credentials.authkey import AuthKey
from ..credentials.helper_program import Programs
from ..errors import CredentialsFailed, InvalidInput, StorageFailed, prefix_errors
from ..fast_dataclass import dataclass
from ..storage.files import storage_errors
from ..storage.locks import locked
from ..storage.partial_files import staged
from ..streams.pump import FileSink

_MODE = 0o600
_PARENT_MODE = 0o700

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """An auth file to store logins in (containers-auth.json(5)); safe for concurrent use by several processes.

    ``docker`` is whether it is Docker's ``config.json``. The file is locked and replaced by one that only
    its owner can read; the target of a symbolic link is replaced, not the link. If the file names a helper
    for a host, that helper stores the host's secrets. ``helpers`` are the ``credential-helpers`` of
    registries.conf, of which `AUTH_FILES` is the file: new logins are stored in the first, and removed
    from all. Unless ``use_helpers``, everything is stored in the file.
    """

    path: Path
    programs: Programs
    docker: bool = False
    helpers: tuple[str, ...] = (AUTH_FILES,)
    use_helpers: bool = True

    async def put(self, key: AuthKey, credentials: Credentials) -> str:
        """Store ``credentials`` for ``key``; returns where they are stored, as text for the user.

        Raises `CredentialsFailed`, `InvalidInput` and `StorageFailed`; nothing is stored then.
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
        # Without the lock, since the helper may change the same file.
        where = await self._store(name, server, key, credentials, str(self.path))
        if is_store:
            await self._change(lambda document: document.put(key, None))
        return where

    async def remove(self, key: AuthKey) -> bool:
        """Remove the credentials for ``key``; returns whether there were any. Raises as `put`."""
        self._check()
        document = self._read(self._target())
        document.name(key)
        helper = document.helper(key)
        existed = False
        if not key.namespace:
            for name in (*self._helper_names(), *([helper[0]] if helper else [])):
                existed |= await self._erase(name, servers(key.host))
        return await self._change(lambda document: document.remove(key)) or existed

    async def clear(self) -> None:
        """Remove all credentials, also those in helpers. Raises as `put`."""
        self._check()
        for name, names in self._read(self._target()).helper_servers():
            await self._erase(name, names)
        for name in self._helper_names():
            for server in await docker_helper.servers_of(name, self.programs):
                await self._erase(name, (server,))
        await self._change(AuthDocument.clear)

    def logins(self) -> AuthFile:
        """Return the current content of the file, which may be missing; raises as `put`."""
        return self._read(self._target()).file

    def _runs(self, name: str) -> bool:
        return self.use_helpers and not docker_helper.is_ourselves(name)

    def _helper_names(self) -> list[str]:
        return [name for name in self.helpers if name != AUTH_FILES and self._runs(name)]

    async def _store(self, name: str, server: str, key: AuthKey, credentials: Credentials, named_by: str) -> str:
        if key.namespace:
            raise InvalidInput(f"namespaced key is not supported for credential helper {name}")
        with prefix_errors(f"{named_by}: credential helper {name}"):
            await docker_helper.store(name, server, credentials, self.programs)
        return f"credential helper: {name}"

    async def _erase(self, name: str, names: tuple[str, ...]) -> bool:
        """Erase a server by all of its names; returns whether the helper had credentials for one of them.

        A failure counts only if no name succeeded, since some helpers fail for unknown names.
        """
        if not self._runs(name):
            return False
        existed, failure = False, None
        for server in names:
            try:
                with prefix_errors(f"{self.path}: credential helper {name}"):
                    existed |= await docker_helper.erase(name, server, self.programs)
            except CredentialsFailed as error:
                failure = failure or error
        if failure is not None and not existed:
            raise failure
        return existed

    async def _change(self, change: Callable[[AuthDocument], Result]) -> Result:
        target = self._target()
        with storage_errors(f"creating {target.parent}"):
            # As Go's MkdirAll: unlike os.makedirs(), it creates missing parents with the same mode.
            for folder in reversed([target.parent, *target.parent.parents]):
                folder.mkdir(_PARENT_MODE, exist_ok=True)
        async with locked(target.parent):
            document = self._read(target)
            result = change(document)
            if result is not False:  # False: nothing has changed
                with staged(target, _MODE) as (fd, _):
                    FileSink(fd, target).write(memoryview(document.text().encode()))
        return result

    def _target(self) -> Path:
        """Return the path of the file to replace, with symbolic links resolved."""
        return Path(os.path.realpath(self.path))

    def _check(self) -> None:
        if self.path.name == LEGACY_NAME:
            raise InvalidInput(f"writes to {self.path} using legacy format are not supported; name an auth.json")

    def _read(self, target: Path) -> AuthDocument:
        try:
            content = read(target, regular=True)[0].decode()
        except (FileNotFoundError, NotADirectoryError):
            content = ""
        except UnicodeDecodeError:
            raise CredentialsFailed(f"{self.path}: not text in UTF-8; correct the file or log in again") from None
        except OSError as error:
            raise StorageFailed.of(error, f"reading {self.path}") from None
        return AuthDocument.parse(content, str(self.path), docker=self.docker)

