"""Uploads into a registry, each a file and its description, so that they survive the server.

They are ``registry/uploads/UUID`` and ``UUID.json`` in the layout, beside its blobs, which they become by renaming.
The size of the file is how far an upload has come. Its hash is kept in memory; where it is not known, after a restart
for example, the file is read again. The file is locked while it is written.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ContentMismatch, DestinationRefused, InvalidContent, NotFound, StorageFailed
from ..fast_dataclass import dataclass
from ..model.digest import Digest, new_hasher
from ..streams.cancellation import check_cancelled
from ..streams.pump import FileSink, thread_buffer
from .blob_links import REGISTRY, make_directories
from .files import read_bounded, storage_errors
from .kept_files import is_at
from .locks import try_lock
from .partial_files import is_partial, write_atomically

if TYPE_CHECKING:
    from _hashlib import HASH

# The number of uploads that may have begun and not ended.
MAX_UPLOADS = 2000
# Seconds after the last write to an upload when it is removed, and when it is removed while there are `MAX_UPLOADS`.
EXPIRY, CROWDED_EXPIRY = 24 * 3600.0, 3600.0
_LOOK = 600.0  # seconds between two looks for uploads that have expired
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_DESCRIPTION_LIMIT = 4096
_PATIENCE, _PAUSE = 5.0, 0.02  # seconds that the end of another request for the same upload is waited for
_MAX_HASHES = 1000


class UploadBusy(DestinationRefused):
    """Internal: another request writes to the same upload."""


class TooManyUploads(DestinationRefused):
    """Internal: so many uploads have begun that another one has to wait."""


@dataclass(slots=True)
class _Hash:
    """The hash of the first ``size`` bytes of an upload."""

    algorithm: str
    hasher: HASH
    size: int = 0


class Upload:
    """An upload that is locked by this request; ``size`` is the number of bytes that it has. For worker threads."""

    def __init__(self, identity: str, repository: str, path: Path, fd: int, state: _Hash) -> None:
        self.identity, self.repository, self.path = identity, repository, path
        self.size = os.fstat(fd).st_size
        self._fd, self._state = fd, state
        self._sink = FileSink(fd, path)
        os.lseek(fd, self.size, os.SEEK_SET)

    def is_hashed(self, algorithm: str) -> bool:
        """Return whether `verify` need not read the file for a digest of an algorithm."""
        return self._state.algorithm == algorithm and self._state.size == self.size

    def use_algorithm(self, algorithm: str) -> None:
        """Hash with another algorithm than sha256; raises `Unsupported`."""
        if self._state.algorithm != algorithm:
            self._state.hasher, self._state.algorithm, self._state.size = new_hasher(algorithm), algorithm, 0

    def write(self, buffer: bytes | bytearray | memoryview) -> None:
        """Append bytes; raises `StorageFailed`."""
        view = memoryview(buffer)
        self._sink.write(view)
        if self._state.size == self.size:
            self._state.hasher.update(view)
            self._state.size += len(view)
        self.size += len(view)

    def truncate(self, size: int) -> None:
        """Drop what was written beyond ``size`` bytes; raises `StorageFailed`."""
        with storage_errors(f"writing {self.path}"):
            os.ftruncate(self._fd, size)
            os.lseek(self._fd, size, os.SEEK_SET)
        self.size = size
        self._state.hasher, self._state.size = new_hasher(self._state.algorithm), 0

    def verify(self, digest: Digest) -> None:
        """Raise `ContentMismatch` unless the content has a digest; `Unsupported` and `StorageFailed`."""
        self.use_algorithm(digest.algorithm)
        self._catch_up()
        actual = self._state.hasher.hexdigest()
        if actual != digest.hex:
            found = f"{digest.algorithm}:{actual}"
            raise ContentMismatch(
                f"what was uploaded has the digest {found}, not {digest}", expected=str(digest), actual=found
            )

    def _catch_up(self) -> None:
        """Hash what was written before this server was started, or after a request was broken off."""
        buffer, state = thread_buffer(), self._state
        while state.size < self.size:
            check_cancelled()
            with storage_errors(f"reading {self.path}"):
                count = os.preadv(self._fd, [buffer[: self.size - state.size]], state.size)
            if not count:
                raise InvalidContent("an upload became shorter while it was read")
            state.hasher.update(buffer[:count])
            state.size += count


class Uploads:
    """The uploads in the layout ``root``; modes are those of new directories and files, limited by the umask."""

    def __init__(self, root: Path, *, file_mode: int = 0o666, directory_mode: int = 0o777) -> None:
        self._directory = root / REGISTRY / "uploads"
        self._file_mode, self._directory_mode = file_mode, directory_mode
        self._hashes: dict[str, _Hash] = {}
        # When expired uploads were looked for, and how many there were, with those that have begun since.
        self._looked, self._begun = 0.0, 0

    def begin(self, repository: str, algorithm: str = "sha256") -> str:
        """Begin an upload and return its identity; in a worker thread.

        Those that have expired are removed before. Raises `TooManyUploads`, `Unsupported` and `StorageFailed`.
        """
        from uuid import uuid4

        self._make_room()
        identity = str(uuid4())
        self._keep_hash(identity, _Hash(algorithm, new_hasher(algorithm)))
        path = self._directory / identity
        with storage_errors("beginning an upload"):
            make_directories(self._directory, self._directory_mode)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._file_mode))
        try:
            description = json.dumps({"repository": repository, "algorithm": algorithm}).encode()
            write_atomically(path.with_suffix(".json"), description, self._file_mode)
        except BaseException:
            self.remove(identity)
            raise
        return identity

    def size(self, repository: str, identity: str) -> int:
        """Return how many bytes an upload has; raises `NotFound`."""
        self._describe(repository, identity)
        try:
            return os.stat(self._directory / identity).st_size
        except OSError:
            raise _unknown(identity) from None

    @asynccontextmanager
    async def opened(self, repository: str, identity: str) -> AsyncIterator[Upload]:
        """Lock an upload of a repository; raises `NotFound`, `UploadBusy`, `StorageFailed`."""
        algorithm = self._describe(repository, identity)
        path = self._directory / identity
        fd = await _open_locked(path, identity)
        try:
            state = self._hashes.get(identity)
            if state is None or state.size > os.fstat(fd).st_size:
                state = _Hash(algorithm, new_hasher(algorithm))
                self._keep_hash(identity, state)
            yield Upload(identity, repository, path, fd, state)
        finally:
            os.close(fd)

    def remove(self, identity: str) -> None:
        """Remove an upload, or what is left of it when its file has become a blob; errors are ignored."""
        self._hashes.pop(identity, None)
        for path in (self._directory / identity, self._directory / f"{identity}.json"):
            with suppress(OSError):
                path.unlink()

    def remove_expired(self, age: float = EXPIRY) -> None:
        """Remove uploads to which nothing was written for ``age`` seconds."""
        now = time.time()
        for name, written in self._written():
            if abs(now - written) > age:
                self._remove_unused(name)

    def count(self) -> int:
        """Return the number of uploads that are not finished."""
        return sum(1 for name, _ in self._written() if _UUID.fullmatch(name))

    def _make_room(self) -> None:
        """Look, from time to time and when there may be too many, for uploads that have expired."""
        if abs(time.time() - self._looked) >= _LOOK:
            self._looked = time.time()
            self.remove_expired()
            self._begun = self.count()
        self._begun += 1
        if self._begun > MAX_UPLOADS:
            self.remove_expired(CROWDED_EXPIRY)
            self._begun = self.count() + 1
            if self._begun > MAX_UPLOADS:
                raise TooManyUploads(f"{MAX_UPLOADS} uploads have begun and not ended: try again later")

    def _written(self) -> Iterator[tuple[str, float]]:
        with suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry.name, entry.stat(follow_symlinks=False).st_mtime

    def _remove_unused(self, name: str) -> None:
        path = self._directory / name
        if not _UUID.fullmatch(name):
            is_alone = name.endswith(".json") and not os.path.lexists(self._directory / name.removesuffix(".json"))
            if is_alone or is_partial(name):
                with suppress(OSError):
                    path.unlink()
            return
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if try_lock(fd):
                    self.remove(name)
            finally:
                os.close(fd)

    def _describe(self, repository: str, identity: str) -> str:
        """Return the algorithm of an upload; raises `NotFound` if the repository has no such one."""
        from ..model.strict_json import parse_object

        if not _UUID.fullmatch(identity):
            raise _unknown(identity)
        try:
            raw = read_bounded(self._directory / f"{identity}.json", _DESCRIPTION_LIMIT)
            document: dict[str, Any] = parse_object(raw, "an upload", _DESCRIPTION_LIMIT)
        except (NotFound, InvalidContent, StorageFailed):
            raise _unknown(identity) from None
        algorithm = document.get("algorithm")
        if document.get("repository") != repository or algorithm not in ("sha256", "sha384", "sha512"):
            raise _unknown(identity)
        return str(algorithm)

    def _keep_hash(self, identity: str, state: _Hash) -> None:
        if len(self._hashes) >= _MAX_HASHES:  # those that were begun long ago are hashed again if they go on
            self._hashes.pop(next(iter(self._hashes)), None)  # another thread may have done so
        self._hashes[identity] = state


async def _open_locked(path: Path, identity: str) -> int:
    """Open and lock the file of an upload; raises `NotFound`, `UploadBusy` and `StorageFailed`."""
    from anyio import sleep

    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _unknown(identity) from None
    except OSError as error:
        raise StorageFailed.of(error, f"opening upload {identity}") from error
    try:
        until = time.monotonic() + _PATIENCE
        while not _try_lock(fd):
            if time.monotonic() > until:
                raise UploadBusy("another request writes to this upload")
            await sleep(_PAUSE)
        if not is_at(fd, path):  # finished or cancelled meanwhile
            raise _unknown(identity)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _try_lock(fd: int) -> bool:
    try:
        return try_lock(fd)
    except OSError:
        return True  # the file system has no locks


def _unknown(identity: str) -> NotFound:
    return NotFound(f"there is no upload {ascii(identity)[1:-1][:60]}")
