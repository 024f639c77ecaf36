"""A plan to be run: a file, or standard input, that is read more than once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import InvalidContent, InvalidInput, PyskopeoError
from ..storage.files import storage_errors
from .plan_file import PlanHeader, PlannedImage, PlanReader
from .shards import choose_shard

if TYPE_CHECKING:
    from .shards import Shard


class PlanSource:
    """A plan, of which `header` is read at once; ``sha256`` is known after all of it has been read."""

    def __init__(self, path: Path, given: BinaryIO | None = None, scratch: Path | None = None) -> None:
        """Read the beginning. Of a stream that is ``given``, standard input, a copy is made first, in ``scratch``.

        Raises `StorageFailed`, and `InvalidContent` for what does not begin as a plan.
        """
        self._path, self._copy = path, None if given is None else _copy_of_input(given, scratch)
        self._where = "standard input" if self._copy else str(path)
        self.sha256 = ""
        try:
            with self._opened() as file:
                self.header: PlanHeader = PlanReader(file, self._where).header
        except PyskopeoError:
            self._close()
            raise

    def shard(self, shard: Shard | None) -> list[PlannedImage]:
        """Return the images of a shard, all for None; the whole plan is read, and this can be called once.

        Raises `InvalidContent` for a plan that is not whole, or is changed while it is read, and `StorageFailed`.
        """
        try:
            return list(self._images() if shard is None else choose_shard(self._images, shard))
        finally:
            self._close()

    def _images(self) -> Iterator[PlannedImage]:
        with self._opened() as file:
            reader = PlanReader(file, self._where)
            yield from reader
        if self.sha256 not in ("", reader.sha256):
            raise InvalidContent(f"{self._where} was changed while it was read")
        self.sha256 = reader.sha256

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with storage_errors(f"reading the plan {self._where}"):
            if self._copy is not None:
                self._copy.seek(0)
                yield self._copy
                return
            with self._path.open("rb") as file:
                if not file.seekable():
                    raise InvalidInput(f"{self._path} is a pipe, and a plan is read more than once: want a file, or -")
                yield file

    def _close(self) -> None:
        if self._copy is not None:
            self._copy.close()


def _copy_of_input(given: BinaryIO, scratch: Path | None) -> BinaryIO:
    import tempfile

    with storage_errors("copying the plan from standard input"):
        file = cast("BinaryIO", tempfile.TemporaryFile(dir=scratch))
        shutil.copyfileobj(given, file)
    return file
