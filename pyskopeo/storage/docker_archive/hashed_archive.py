"""A ``docker save`` archive that is hashed while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...model.digest import Digest, new_hasher
from ...streams.byte_streams import ByteSink
from ...streams.pump import NullSink
from ..archive_output import open_output, sink_for
from ..tar import TarWriter
from .writer import DockerArchiveDestination

if TYPE_CHECKING:
    from ...model.reference import Reference


class HashedArchiveDestination(DockerArchiveDestination):
    """Writes one image to ``path``, or nowhere if that is None, and computes the sha256 of the archive's bytes.

    These are the bytes that `DockerArchiveDestination` writes. ``scratch`` is an existing directory for temporary
    files.
    """

    def __init__(self, path: Path | None, scratch: Path, tag: Reference) -> None:
        super().__init__(path or Path("the archive"), scratch, (tag,), self._open_hashed)
        self._file, self._sink = path, _HashingSink(NullSink())

    @property
    def digest(self) -> Digest:
        """The sha256 of what was written; of the whole archive when the context was left."""
        return self._sink.digest

    @contextmanager
    def _open_hashed(self) -> Iterator[TarWriter]:
        if self._file is None:
            yield TarWriter(self._sink, self._path)
            return
        with open_output(self._file, replace=False) as (fd, shown):
            self._sink = _HashingSink(sink_for(fd, shown))
            yield TarWriter(self._sink, shown)


class _HashingSink(ByteSink):
    """Passes on to ``sink`` what is written, after its hash is computed."""

    def __init__(self, sink: ByteSink) -> None:
        self._sink, self._hasher = sink, new_hasher("sha256")

    @property
    def digest(self) -> Digest:
        return Digest("sha256", self._hasher.hexdigest())

    def write(self, buffer: memoryview) -> None:
        self._hasher.update(buffer)
        self._sink.write(buffer)
