"""Access to the files of a layout, in a directory or in an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..streams.locations import LocalFile


class LayoutFiles(Protocol):
    """Access to the files of a layout by their names, such as ``blobs/sha256/...``."""

    def content(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file; raises `NotFound`, `StorageFailed`, and `TooLarge` over ``limit`` bytes."""
        ...

    def locate(self, name: str) -> LocalFile:
        """Return where the bytes of a blob are; raises `NotFound`."""
        ...
