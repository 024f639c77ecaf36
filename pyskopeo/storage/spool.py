"""Temporary files for blobs that have to be complete before they can be passed on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..streams.locations import LocalFile
from ..streams.pump import Blob, FileSink
from .oci_layout import located_blob
from .partial_files import staged
from .scratch import create_directory, temporary_directory

if TYPE_CHECKING:
    from types import TracebackType

    from ..interfaces import Fill


class Spool:
    """Temporary files for blobs whose size and digest are not known before they are written.

    ``wanted`` says that such blobs are written here first; ``scratch`` is `Storage.scratch`. A context manager, which
    removes the files; their directory is made when it is needed.
    """

    def __init__(self, scratch: Path | None, *, wanted: bool) -> None:
        self.wanted = wanted
        self._scratch = scratch
        self._stack = ExitStack()
        self._directory: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @asynccontextmanager
    async def filled(self, fill: Fill) -> AsyncIterator[Blob]:
        """Yield the blob that ``fill`` has written to a file, which is removed on exit; raises `StorageFailed`."""
        if self._directory is None:
            self._directory = self._stack.enter_context(temporary_directory(self._scratch))
        create_directory(self._directory)
        path = self._directory / os.urandom(8).hex()
        with staged(path) as (fd, _):
            descriptor = await fill(FileSink(fd, path))
        try:
            yield located_blob(descriptor, LocalFile(path))
        finally:
            path.unlink()
