"""The journal of an archive that is written: which layers are complete, and where, for the run after an interruption.

A text file with one line for each layer. Nothing in it is trusted: a layer that it names is used if its bytes have the
diff ID that the image's configuration states, else it is fetched again.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from ...errors import InvalidDigest
from ...fast_dataclass import dataclass
from ...model.digest import Digest
from ..files import storage_errors

# Bytes. Smaller layers are fetched again in the time of a request.
_MIN_SIZE = 64 * 1024
_LIMIT = 4 * 1024 * 1024  # bytes; each line has about 100
_LINE = re.compile(r"(?P<digest>\S{1,200}) (?P<size>[0-9]{1,18}) (?P<start>[0-9]{1,18}|-)", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeptLayer:
    """A decompressed layer of ``size`` bytes: at offset ``start`` of the archive, or if that is None in a file."""

    size: int
    start: int | None


class LayerJournal:
    """The journal in the file ``path``, which is created when the first layer is added.

    ``layers`` are those of an earlier run by the digests of their blobs, from `read`; ``written`` is whether there is
    something for a later one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.layers: dict[Digest, KeptLayer] = {}
        self.written = False
        self._fd: int | None = None

    def read(self) -> None:
        """Read what an earlier run has written; lines that are no records are ignored."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        with os.fdopen(fd, "rb") as file:
            text = file.read(_LIMIT).decode("ascii", "replace")
        for line in text.splitlines():
            found = _LINE.fullmatch(line)
            with suppress(InvalidDigest):
                if found is not None:
                    start = None if found["start"] == "-" else int(found["start"])
                    self.layers[Digest.parse(found["digest"])] = KeptLayer(int(found["size"]), start)
        self.written = bool(self.layers)

    def add(self, digest: Digest, layer: KeptLayer) -> None:
        """Record a layer, whose bytes have been written; ``digest`` is that of its blob. Raises `StorageFailed`."""
        if layer.size < _MIN_SIZE:
            return
        with storage_errors(f"writing {self.path}"):
            if self._fd is None:
                self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            start = "-" if layer.start is None else layer.start
            # The line before may be incomplete, after a power failure.
            os.write(self._fd, f"\n{digest} {layer.size} {start}\n".encode())
        self.written = True

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
