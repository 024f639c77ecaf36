"""Files whose first line is a passphrase."""

from __future__ import annotations

from pathlib import Path

from ..errors import StorageFailed, TooLarge
from .user_files import open_user_file

_LIMIT = 64 * 1024  # bytes of the first line


def read_passphrase(path: Path) -> bytes:
    """Return the first line of a file without its line feed, as gpg and skopeo read one; it may be empty.

    Raises `StorageFailed`, and `TooLarge` for a line of over 64 KiB. No part of the file is in an error.
    """
    try:
        with open_user_file(path) as file:
            line = file.readline(_LIMIT + 1)
    except OSError as error:
        raise StorageFailed.of(error, f"open {path}") from None
    if len(line) > _LIMIT:
        raise TooLarge(f"{path}: its first line is over {_LIMIT} bytes, which is no passphrase", limit=_LIMIT)
    return line.removesuffix(b"\n")
