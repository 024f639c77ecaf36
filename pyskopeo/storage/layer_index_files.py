"""The indexes of layers in a content store: what is in the archive of a layer, so that it need not be read again.

They are below ``layer-index`` in the store, by the digests of the layers, each with a version and a checksum, also of
the digest. Unlike that of blobs, their content cannot be compared with what somebody else has stated, so only files are
used that nobody but this user, and root, can write to.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InvalidDigest, StorageFailed
from ..model.digest import Digest, new_hasher
from ..model.stored_content import StoredFile
from .files import digest_name, is_directory, note_use, storage_errors
from .partial_files import is_partial, write_atomically
from .verified_files import is_private

DIRECTORY = "layer-index"
LARGEST = 64 * 1024 * 1024
"""The most bytes that an index has before it is compressed; of a layer with a larger one, none is kept."""
_MAGIC = b"pyskopeo layer index 1\n"
_CHECKSUM = 32  # bytes of a sha256
_LEVEL = 3
_FILE_MODE, _DIRECTORY_MODE = 0o644, 0o755
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class LayerIndexFiles:
    """The indexes in the store in the directory ``store``, which are not there before one is written."""

    def __init__(self, store: Path) -> None:
        self._store, self.root = store, store / DIRECTORY

    def read(self, digest: Digest, *, use: bool = True) -> bytes | None:
        """Return the index of a layer, None if there is none that is whole and can be trusted.

        ``use`` sets the time when it was last needed.
        """
        path = self.path(digest)
        try:
            with os.fdopen(os.open(path, _FLAGS), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or not is_private(status):
                    return None
                raw = file.read(LARGEST + 1)
        except OSError:
            return None
        content = _unpacked(raw, digest)
        if use and content is not None:
            note_use(path)
        return content

    def write(self, digest: Digest, content: bytes) -> None:
        """Keep the index of a layer, unless it is over `LARGEST`, or the store is not there; raises `StorageFailed`."""
        if len(content) > LARGEST or not is_directory(self._store / "blobs"):
            return
        path = self.path(digest)
        with storage_errors(f"creating {path.parent}"):
            for directory in (self.root, path.parent):
                directory.mkdir(_DIRECTORY_MODE, exist_ok=True)
        write_atomically(path, _packed(content, digest), _FILE_MODE)

    def path(self, digest: Digest) -> Path:
        """Return the path of the index of a layer."""
        return self.root / digest_name(digest)

    def files(self) -> Iterator[StoredFile]:
        """Yield all indexes with the digests of their layers, in any order; raises `StorageFailed`."""
        for directory in self.directories():
            with storage_errors(f"reading {directory}"), os.scandir(directory) as entries:
                for entry in entries:
                    with suppress(InvalidDigest, FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode) and not is_partial(entry.name):
                            digest = Digest.parse(f"{directory.name}:{entry.name}")
                            used = max(status.st_atime, status.st_mtime)
                            yield StoredFile(digest, status.st_size, used, status.st_nlink)

    def directories(self) -> list[Path]:
        """Return the directories with the indexes of each algorithm, no symbolic links; raises `StorageFailed`."""
        if not is_directory(self.root):
            return []
        with storage_errors(f"reading {self.root}"), os.scandir(self.root) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))

    def remove(self, digest: Digest) -> None:
        """Remove the index of a layer, if there is one; raises `StorageFailed`."""
        path = self.path(digest)
        with storage_errors(f"deleting {path}"):
            path.unlink(missing_ok=True)


def keep_index(files: LayerIndexFiles, digest: Digest, content: bytes) -> str:
    """Write an index; return the error message if that fails, else "": a later run makes the index again."""
    try:
        files.write(digest, content)
    except StorageFailed as error:
        return str(error)
    return ""


def _packed(content: bytes, digest: Digest) -> bytes:
    return _MAGIC + _checksum(content, digest) + zlib.compress(content, _LEVEL)


def _unpacked(raw: bytes, digest: Digest) -> bytes | None:
    start = len(_MAGIC) + _CHECKSUM
    if not raw.startswith(_MAGIC) or len(raw) < start:
        return None
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(raw[start:], LARGEST)
    except zlib.error:
        return None
    return content if inflater.eof and _checksum(content, digest) == raw[len(_MAGIC) : start] else None


def _checksum(content: bytes, digest: Digest) -> bytes:
    hasher = new_hasher("sha256")
    hasher.update(f"{digest}\n".encode())
    hasher.update(content)
    return hasher.digest()
