"""Read and write local files."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from ..config.user_files import open_file
from ..errors import InvalidContent, NotFound, StorageFailed, TooLarge, Unsupported
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.locations import LocalFile
from ..streams.pump import WRITE_STEP, FileReader

_SENDFILE_STEP = 16 * 1024 * 1024  # bytes per call, so that cancellation is checked often enough
_TAR_MAGIC = slice(257, 262)
_TAR_BLOCK = 512
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
# Errors that say that the target cannot take more data, as opposed to "sendfile is not supported here".
_WRITE_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE, errno.EIO)


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Raise `StorageFailed`, with the message "what: reason", for an `OSError` inside this context."""
    try:
        yield
    except OSError as error:
        raise StorageFailed.of(error, what) from error


def real_path(path: Path) -> Path:
    """Return the absolute path without symbolic links.

    Raises `StorageFailed` for a relative path if the working directory has been removed.
    """
    with storage_errors(f"opening {path}"):
        return Path(os.path.realpath(path))


def write_at(fd: int, buffer: memoryview, offset: int, path: Path) -> None:
    """Write a buffer at ``offset`` of a file, whose position stays; raises `StorageFailed`, naming ``path``."""
    try:
        while len(buffer):
            count = os.pwrite(fd, buffer[:WRITE_STEP], offset)
            buffer, offset = buffer[count:], offset + count
    except OSError as error:
        raise StorageFailed.of(error, f"writing {path}") from error


def append_in_kernel(target: int, source: int, offset: int, count: int) -> int | None:
    """Copy up to ``count`` bytes at ``offset`` of a file to the position of another, with sendfile(2).

    Returns the number of bytes copied, 0 at the end of the source, or None if the system or the target does not support
    it. Raises `OSError` if the target cannot be written to in any way, for example because the disk is full.
    """
    try:
        return os.sendfile(target, source, offset, min(count, _SENDFILE_STEP))
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", None) in _WRITE_FAILED:
            raise
        return None


def open_regular(path: Path) -> int:
    """Open a regular file for reading and return its file descriptor.

    Symbolic links are followed: some build tools write layouts of links, and blobs are verified wherever they come
    from. Raises `NotFound`, and `StorageFailed` for anything else: a FIFO or a device could block or never end.
    """
    try:
        return open_file(path, lambda found: stat.S_ISREG(found.st_mode))
    except FileNotFoundError as error:
        raise NotFound(f"open {path}: no such file or directory") from error
    except NotADirectoryError as error:
        failure = StorageFailed.of(error, f"open {path}")
        raise StorageFailed(f"{failure}{suggest_archive(path)}", errno=error.errno) from error
    except OSError as error:
        raise StorageFailed.of(error, f"open {path}") from error


def suggest_archive(path: Path) -> str:
    """Return the names to try if ``path`` or a parent of it, used as a directory, is a file that looks like an archive.

    Otherwise "".
    """
    try:
        file = next((one for one in (path, *path.parents) if one.is_file()), None)
        if file is None:
            return ""
        with file.open("rb") as opened:
            start = opened.read(_TAR_MAGIC.stop)
    except OSError:
        return ""
    is_archive = start[_TAR_MAGIC] == b"ustar" or start.startswith(_COMPRESSED)
    return f"; did you mean oci-archive:{file} or docker-archive:{file}?" if is_archive else ""


def is_plain_tar(path: Path) -> bool:
    """Return whether a file begins as a tar archive that is not compressed; False for a file that cannot be read."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            start = file.read(_TAR_BLOCK)
    except (NotFound, StorageFailed, OSError):
        return False
    return start[_TAR_MAGIC] == b"ustar" or start == bytes(_TAR_BLOCK)  # an archive without files is empty blocks


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the content of a small file; raises `TooLarge` over ``limit`` bytes, `NotFound`, `StorageFailed`."""
    fd = open_regular(path)
    with os.fdopen(fd, "rb") as file, storage_errors(f"reading {path}"):
        content = file.read(limit + 1)
    if len(content) > limit:
        raise TooLarge(f"{path} is over the limit of {limit} bytes", limit=limit)
    return content


def read_local_manifest(path: Path, digest: Digest, media_type: str = "") -> Manifest | None:
    """Return the manifest with this digest in a file; None if it is not there, or damaged.

    ``media_type`` is that of its descriptor, "" if it has none.
    """
    try:
        return Manifest.parse(read_bounded(path, MANIFEST_LIMIT), content_type=media_type, expected=digest)
    except (NotFound, StorageFailed, InvalidContent, Unsupported):
        return None


def read_range(path: Path, offset: int, size: int) -> bytes:
    """Return ``size`` bytes at ``offset`` of a file, fewer if it ends there; raises `NotFound`, `StorageFailed`."""
    fd = open_regular(path)
    try:
        with storage_errors(f"reading {path}"):
            return os.pread(fd, size, offset)
    finally:
        os.close(fd)


@asynccontextmanager
async def open_reader(location: LocalFile, size: int, offset: int = 0) -> AsyncIterator[FileReader]:
    """Open a reader of a local file that is expected to have ``size`` bytes; raises `NotFound`, `StorageFailed`.

    The reader begins at byte ``offset``. It returns one byte more if the file is longer, so that verification notices.
    """
    fd = open_regular(location.path)
    try:
        available = size + 1 if location.size is None else location.size
        yield FileReader(fd, location.path, location.offset + offset, max(0, available - offset))
    finally:
        os.close(fd)


def digest_name(digest: Digest) -> str:
    """Return the path of a blob below ``blobs`` in an OCI layout; a parsed `Digest` cannot contain other path parts."""
    return f"{digest.algorithm}/{digest.hex}"


def file_size(path: Path) -> int:
    """Return the size of a file in bytes, -1 where there is none or it may not be known."""
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def is_there(path: Path) -> bool:
    """Return whether a path exists; unlike `Path.exists`, False where that may not be known."""
    return os.path.exists(path)


def is_directory(path: Path) -> bool:
    """Return whether a path is a directory; unlike `Path.is_dir`, False where that may not be known."""
    return os.path.isdir(path)


def is_link(path: Path) -> bool:
    """Return whether a path is a symbolic link; unlike `Path.is_symlink`, False where that may not be known."""
    return os.path.islink(path)


def note_use(path: Path) -> None:
    """Set the time of access of a file; its other times tell whether it has changed. Errors are ignored."""
    with suppress(OSError):
        changed = os.lstat(path).st_mtime_ns
        os.utime(path, ns=(time.time_ns(), changed), follow_symlinks=False)
