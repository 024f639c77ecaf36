"""Give a verified file of the content store a second name, or a second file the same blocks: its bytes are not read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..errors import NotFound, StorageFailed
from ..streams.locations import LocalFile
from .existing_blobs import content_state
from .files import open_regular
from .partial_files import partial_name

_FICLONE = 0x40049409  # ioctl_ficlone(2)


def link_verified(location: LocalFile, path: Path) -> bool:
    """Make ``path`` a hard link to a file that was verified, if that is possible and it has not changed since.

    ``path`` is replaced as a whole if it exists. Returns whether it is that file now.
    """
    if location.verified is None or not location.linkable:
        return False
    if location.path == path:
        return True
    temporary = path.with_name(partial_name(path.name))
    try:
        os.link(location.path, temporary, follow_symlinks=False)
        try:
            if content_state(os.lstat(temporary)) != content_state(location.verified):
                return False
            os.replace(temporary, path)
        finally:
            # It is still there if both were names of one file before.
            with suppress(FileNotFoundError):
                temporary.unlink()
    except (OSError, NotImplementedError):
        return False  # another file system, or one without hard links, or too many of them
    return True


def clone_verified(location: LocalFile, fd: int) -> bool:
    """Let an empty file share the blocks of a file that was verified, if the file system can do that (a "reflink").

    Returns whether ``fd`` has its content now; otherwise it is empty still.
    """
    if location.verified is None or not location.linkable:
        return False
    try:
        from fcntl import ioctl

        source = open_regular(location.path)
        try:
            before = os.fstat(source)
            ioctl(fd, _FICLONE, source)
            if content_state(before) == content_state(location.verified) == content_state(os.fstat(source)):
                return True
            os.ftruncate(fd, 0)
        finally:
            os.close(source)
    except (OSError, NotFound, StorageFailed):
        pass  # another file system, or one that does not share blocks
    return False
