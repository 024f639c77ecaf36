"""Files of blobs that are sent: opened by parsed digests only, and verified where links lead to them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from ..errors import ContentMismatch, NotFound, StorageFailed, Unsupported
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.verifier import Verifier
from ..storage.files import digest_name, open_regular, storage_errors
from ..streams.cancellation import run_in_thread
from ..streams.progress import uncounted
from ..streams.pump import FileReader, NullSink, pump
from .catalog import FileState, file_state
from .responses import refusal

# Error numbers for paths that are not those of a blob; EISDIR and EINVAL are for one that is not a regular file.
_NO_BLOB = (errno.EISDIR, errno.EINVAL, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


class BlobFiles:
    """The files in a directory of blobs."""

    def __init__(self, blobs: Path) -> None:
        self._blobs = blobs
        self._verified_links: dict[Digest, FileState] = {}

    async def open(self, digest: Digest) -> FileIO:
        """Open the file of a blob; raises a 404 if there is none, or a link that leads to other content."""
        file, linked = self._open(digest)  # takes less time than to start a thread
        try:
            if linked:
                await self._verify_link(digest, file)
        except BaseException:
            file.close()
            raise
        return file

    def _open(self, digest: Digest) -> tuple[FileIO, bool]:
        """Open a blob; returns it and whether its path is a symbolic link."""
        path = self._blobs / digest_name(digest)
        with unknown_content("BLOB_UNKNOWN", digest):
            file = FileIO(open_regular(path))
            try:
                with storage_errors("reading a blob"):
                    return file, not os.path.samestat(path.lstat(), os.fstat(file.fileno()))
            except BaseException:
                file.close()
                raise

    async def _verify_link(self, digest: Digest, file: FileIO) -> None:
        """Verify the target of a link, once until it changes."""
        fd = file.fileno()
        state, size = file_state(fd), os.fstat(fd).st_size
        if self._verified_links.get(digest) == state:
            return
        try:
            verifier = Verifier(Descriptor("", digest, size))
            reader = FileReader(fd, Path(digest_name(digest)), 0, size)
            await run_in_thread(lambda: pump(reader, NullSink(), verifier, uncounted))
        except (ContentMismatch, Unsupported):
            raise refusal(404, "BLOB_UNKNOWN", f"{digest} is a link to other content") from None
        self._verified_links[digest] = state


@contextmanager
def unknown_content(code: str, digest: Digest) -> Iterator[None]:
    """Report a missing file, and a path that is not a regular file, as a 404 with an error ``code``."""
    try:
        yield
    except NotFound:
        raise refusal(404, code, f"{digest} is not in this layout") from None
    except StorageFailed as error:
        if error.errno not in _NO_BLOB:
            raise
        raise refusal(404, code, f"{digest} is not in this layout") from None
