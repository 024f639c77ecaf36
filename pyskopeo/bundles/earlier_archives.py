"""Blobs of a bundle that was written, or half written, to the same files before: they need not be fetched again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PyskopeoError
from ..storage.archive_output import is_written_directly
from ..storage.files import digest_name, is_plain_tar
from ..storage.interrupted_archive import InterruptedArchive
from ..storage.tar import TarIndex
from .part_names import existing_parts, part_path

if TYPE_CHECKING:
    from pathlib import Path

    from ..model.descriptor import Descriptor
    from ..streams.locations import LocalFile


class EarlierArchives:
    """The blobs in what is left of a bundle at ``output``, and of its parts. None of them is verified."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._interrupted: list[InterruptedArchive] = []
        self._complete: list[TarIndex] = []

    def open(self) -> None:
        """Find out which blobs there are; for a worker thread. Raises `Cancelled`."""
        if is_written_directly(self._output):
            return
        complete = existing_parts(self._output)
        # Parts are written one after another: at most the one after those that are complete was interrupted.
        for path in (self._output, part_path(self._output, len(complete) + 1), *complete):
            self._interrupted.append(InterruptedArchive(path))
            self._interrupted[-1].open()
        for path in (self._output, *complete):
            if is_plain_tar(path):
                try:
                    self._complete.append(TarIndex.read(path, incomplete=True))
                except PyskopeoError:
                    continue  # whatever it is, it has nothing that can be used

    def locate(self, descriptor: Descriptor) -> LocalFile | None:
        """Return where the bytes of a blob may be, None if they are not there."""
        for one in self._interrupted:
            if (found := one.locate(descriptor)) is not None:
                return found
        name = f"blobs/{digest_name(descriptor.digest)}"
        for index in self._complete:
            try:
                location = index.locate(name)
            except (NotFound, InvalidContent):
                continue
            if location.size == descriptor.size:
                return location
        return None

    def close(self) -> None:
        """Release the locks: the files are about to be written."""
        for one in self._interrupted:
            one.close()
        self._interrupted, self._complete = [], []
