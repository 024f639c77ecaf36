"""The contents of files on their way from layers to where they are wanted: a private directory of numbered files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StorageFailed
from ..fast_dataclass import dataclass
from ..model.digest import new_hasher
from ..streams.pump import FileSink

if TYPE_CHECKING:
    from _hashlib import HASH

    from .entry import Entry


@dataclass(frozen=True, slots=True)
class Attributes:
    """Which attributes extracted files get besides permissions and times.

    ``owner`` sets the numbers of user and group, for which a process needs to be privileged; else the files belong to
    the user who extracts them. ``special_bits`` keeps set-user-ID, set-group-ID and sticky bits. ``devices`` makes
    devices and named pipes, which are left out otherwise.
    """

    owner: bool = False
    special_bits: bool = False
    devices: bool = False

    def mode(self, entry: Entry) -> int:
        """Return the mode of a file."""
        return entry.mode if self.special_bits else entry.mode & 0o777

    def apply(self, fd: int, entry: Entry) -> None:
        """Set the attributes of an open file or directory; raises `OSError`."""
        if self.owner:
            os.fchown(fd, entry.uid, entry.gid)  # clears set-user-ID, so before the mode
        os.fchmod(fd, self.mode(entry))
        os.utime(fd, ns=(entry.mtime, entry.mtime))


class ContentDirectory:
    """Holds the contents of files, each under a name made of its layer's number and its position there.

    With ``attributes`` the files have them, else they are readable by this user only. ``digests`` are the sha256 of
    contents by `Entry.key`, if they are ``hashed``. Several threads may use it at once, each for a layer of its own.
    """

    def __init__(self, path: Path, *, attributes: Attributes | None = None, hashed: bool = False) -> None:
        """Open a directory that is there and private; raises `StorageFailed`."""
        self.path, self._attributes, self._hashed = path, attributes, hashed
        self.digests: dict[tuple[int, int], str] = {}
        # Positions by layer: no two threads write contents of the same layer.
        self._kept: dict[int, set[int]] = {}
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageFailed.of(error, f"opening {path}") from error

    def close(self) -> None:
        """Close the directory."""
        os.close(self.fd)

    def __contains__(self, key: tuple[int, int]) -> bool:
        return key[1] in self._kept.get(key[0], ())

    def name(self, key: tuple[int, int]) -> str:
        """Return the name of a content's file in the directory."""
        return f"{key[0]}.{key[1]}"

    def keep(self, entry: Entry) -> ContentFile:
        """Create the file for a content, or empty it, since a layer may be read again; raises `StorageFailed`."""
        return ContentFile(self, entry)

    def forget(self, layer: int) -> None:
        """Forget the contents of a layer that were wrong, or incomplete."""
        self._kept.pop(layer, None)

    def complete(self, entry: Entry, fd: int, digest: str) -> None:
        """Note that a content is complete, and set its attributes; raises `StorageFailed`."""
        if self._attributes is not None:
            try:
                self._attributes.apply(fd, entry)
            except OSError as error:
                raise StorageFailed.of(error, f"setting the attributes of {shown(entry.path)}") from error
        self._kept.setdefault(entry.layer, set()).add(entry.position)
        if self._hashed:
            self.digests[entry.key] = digest

    def new_hasher(self) -> HASH | None:
        """Return a hasher for a content, None if they are not hashed."""
        return new_hasher("sha256") if self._hashed else None


class ContentFile:
    """The file that one content is written to."""

    def __init__(self, directory: ContentDirectory, entry: Entry) -> None:
        self._directory, self._entry = directory, entry
        self._hasher = directory.new_hasher()
        name = directory.name(entry.key)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(name, flags, 0o600, dir_fd=directory.fd)
        except OSError as error:
            raise StorageFailed.of(error, f"writing {directory.path / name}") from error
        self._sink = FileSink(self._fd, Path(shown(entry.path)))

    def write(self, buffer: memoryview) -> None:
        """Write the next bytes; raises `StorageFailed`."""
        if self._hasher is not None:
            self._hasher.update(buffer)
        self._sink.write(buffer)

    def finish(self) -> None:
        """Close the file, whose content is complete; raises `StorageFailed`."""
        try:
            digest = self._hasher.hexdigest() if self._hasher is not None else ""
            self._directory.complete(self._entry, self._fd, digest)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; does nothing if it is closed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def shown(path: str) -> str:
    """Return a path of an image for messages, on one line."""
    return ascii(path)[1:-1][:300]
