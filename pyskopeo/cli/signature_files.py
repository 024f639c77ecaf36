"""Files of the commands for single signatures: manifests, signatures, keyrings."""

from __future__ import annotations

from pathlib import Path

from ..config.user_files import open_user_file
from ..errors import StorageFailed, TooLarge

_LIMIT = 64 * 1024 * 1024  # bytes; a device or a pipe may have no end


def read_file(path: Path, what: str) -> bytes:
    """Return the content of a file; raises `StorageFailed` and `TooLarge`, with messages that begin with ``what``."""
    try:
        with open_user_file(path) as file:
            raw = file.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error if isinstance(error, OSError) else OSError(0, str(error))
        raise StorageFailed.of(reason, f"{what} {path}: open {path}") from None
    if len(raw) > _LIMIT:
        raise TooLarge(f"{what} {path}: over {_LIMIT} bytes", limit=_LIMIT)
    return raw
