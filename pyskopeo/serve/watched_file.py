"""Settings in files that are read again when they have changed, while the server runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..errors import InvalidInput, NotFound, PathNotFound, PyskopeoError
from ..storage.files import read_bounded

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")

_INTERVAL = 2.0  # seconds
_HANDSHAKE_VERSION = "TLSv1_2"


class Watched(Protocol):
    """Something that is read from files."""

    def refresh(self) -> None:
        """Read again if a file has changed; raises `PyskopeoError`, once for each change, and keeps what it has."""


class WatchedFile(Generic[T]):
    """The parsed content of a file. ``use`` gets each new value.

    Reads the file at once; raises the errors of ``parse`` and of reading.
    """

    def __init__(self, path: Path, parse: Callable[[bytes, str], T], limit: int, use: Callable[[T], None]) -> None:
        self._path, self._parse, self._limit, self._use = path, parse, limit, use
        self._state = _state_of((path,))
        use(self._read())

    def refresh(self) -> None:
        """Read the file again if it has changed; see `Watched`."""
        state = _state_of((self._path,))
        if state != self._state:
            self._state = state
            self._use(self._read())

    def _read(self) -> T:
        try:
            raw = read_bounded(self._path, self._limit)
        except NotFound as error:  # which is about images elsewhere, and has their exit code
            raise PathNotFound(str(error)) from None
        return self._parse(raw, str(self._path))


class TlsFiles:
    """A server's certificate and key, as PEM files; ``context`` has them, also after they have changed.

    Raises `InvalidInput` if they cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = (certificate, key)
        self._state = _state_of(self._paths)
        self.context = self._current = self._load()
        # To load new files into a context that is in use would leave it with a new certificate and an old key for
        # a moment. OpenSSL also asks this where the client sends no name.
        self.context.sni_callback = self._use_current

    def refresh(self) -> None:
        """Use new files for new connections; see `Watched`."""
        state = _state_of(self._paths)
        if state == self._state:
            return
        self._state = state
        self._current = self._load()

    def _use_current(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion[_HANDSHAKE_VERSION]
        context.set_alpn_protocols(["http/1.1"])
        self._load_files(context)
        return context

    def _load_files(self, context: ssl.SSLContext) -> None:
        certificate, key = self._paths

        def ask() -> str:
            raise InvalidInput(f"the key in {key} is encrypted: give one without a passphrase")

        try:
            context.load_cert_chain(certificate, key, ask)
        except FileNotFoundError:
            missing = next((one for one in self._paths if not one.exists()), certificate)
            raise InvalidInput(f"open {missing}: no such file or directory") from None
        except OSError as error:  # ssl.SSLError is one
            reason = getattr(error, "reason", None) or error.strerror or "not PEM files"
            said = str(reason).lower().replace("_", " ")
            raise InvalidInput(f"cannot use the certificate in {certificate} with the key in {key}: {said}") from None


async def watch(files: Sequence[Watched], on_problem: Callable[[str], None]) -> None:
    """Refresh all ``files`` every few seconds, until cancelled; ``on_problem`` gets what is wrong with one."""
    from anyio import sleep

    while True:
        await sleep(_INTERVAL)
        await refresh(files, on_problem)


async def refresh(files: Sequence[Watched], on_problem: Callable[[str], None]) -> None:
    """Read again those of ``files`` that have changed."""
    from anyio import to_thread

    for file in files:
        try:
            await to_thread.run_sync(file.refresh)
        except PyskopeoError as error:
            on_problem(f"{error}; what was read before still counts")


def _state_of(paths: Sequence[Path]) -> tuple[object, ...]:
    return tuple(map(_state, paths))


def _state(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev
