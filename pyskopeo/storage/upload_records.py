"""Records of uploads to registries, so that a later run can continue an upload that was interrupted.

A record is a small file in the user's cache directory with the URL of the upload at the registry, which may be a
secret: only its owner can read it. It is locked (flock) by the process that uploads, and the kernel releases the lock
when that process ends, however it ends; so what is found unlocked was interrupted. Without a record, or where there
can be none, a blob is uploaded from its beginning; nothing else is lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .kept_bytes import KEPT_BYTES
from .private_files import open_locked, remove_old

if TYPE_CHECKING:
    from ..access import Access
    from ..model.digest import Digest

# Seconds. Registries forget uploads that nobody continues, after days or hours.
_MAX_AGE = 24 * 60 * 60.0
# Bytes.
_MAX_SIZE = 32 * 1024
_DIRECTORY, _SUFFIX = "uploads", ".upload"


class UploadRecords:
    """The records in ``directory``, which is created when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cleaned = False

    @classmethod
    def of(cls, access: Access) -> UploadRecords | None:
        """Return those in the cache directory of ``access``; None without one, and where nothing is to be resumed."""
        cache = access.storage.cache
        return cls(cache / _DIRECTORY) if cache is not None and access.storage.resume else None

    def open(self, registry: str, repository: str, digest: Digest) -> UploadRecord | None:
        """Return the record of the upload of a blob, locked; to be closed.

        None if another upload of this blob is under way, in this process or another one, and where the file cannot be
        used: because of its owner, of its kind, or of the file system.
        """
        key = f"{registry}/{repository}@{digest}"
        path = self._directory / (hashlib.sha256(key.encode()).hexdigest()[:32] + _SUFFIX)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._remove_old()
            fd = open_locked(path)
        except OSError:
            return None
        return None if fd is None else UploadRecord(fd, path, key)

    def _remove_old(self) -> None:
        """Remove records that are too old and not in use; once for this object."""
        if self._cleaned:
            return
        self._cleaned = True
        remove_old(self._directory, _SUFFIX, _MAX_AGE)


class UploadRecord:
    """The record of one upload, locked.

    ``location`` is the URL of the upload, "" for none; the registry was sent at most ``sent`` bytes.
    """

    def __init__(self, fd: int, path: Path, key: str) -> None:
        self._fd, self._path, self._key = fd, path, key
        self.location, self.sent = self._read()

    def write(self, location: str, sent: int) -> None:
        """Replace the record; an error leaves none."""
        self.location, self.sent = location, sent
        content = json.dumps({"upload": self._key, "location": location, "sent": sent, "time": time.time()}).encode()
        # One line, of which a longer one before it leaves only what is not read.
        with suppress(OSError):
            os.pwrite(self._fd, content + b"\n", 0)

    def close(self) -> None:
        """Release the lock; a record without a location is removed."""
        if self.location:
            KEPT_BYTES.add(self.sent)
        else:
            with suppress(OSError):
                self._path.unlink()
        os.close(self._fd)

    def _read(self) -> tuple[str, int]:
        """Return location and bytes of a record that is valid and not too old, otherwise "" and 0."""
        try:
            line = os.pread(self._fd, _MAX_SIZE, 0).partition(b"\n")[0]
            found: Any = json.loads(line)
            location, sent, age = str(found["location"]), int(found["sent"]), time.time() - float(found["time"])
        except (OSError, ValueError, ArithmeticError, KeyError, TypeError, RecursionError):
            return "", 0
        # A clock that was set back makes a record young for ever.
        usable = found["upload"] == self._key and -_MAX_AGE < age < _MAX_AGE and sent >= 0
        return (location, sent) if usable else ("", 0)
