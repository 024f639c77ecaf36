"""Reading of small configuration files, and the location of those of the user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import InvalidInput, StorageFailed, TooLarge
from ..small_files import open_regular

LIMIT = 1024 * 1024
"""The largest configuration file that is read, in bytes."""


def user_config_directory(environ: Mapping[str, str], home: Path) -> Path:
    """Return ``$XDG_CONFIG_HOME/containers``, by default ``~/.config/containers``."""
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "containers")


def is_inaccessible(path: Path) -> bool:
    """Return whether access to the path is denied, as in another user's home; skopeo treats it as missing."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def read_text(path: Path, *, must_exist: bool = False, limit: int = LIMIT) -> str | None:
    """Return the text of a UTF-8 file; None if it does not exist or `is_inaccessible`, unless it ``must_exist``.

    Raises `StorageFailed`, `TooLarge` over ``limit`` bytes, and `InvalidInput` if it is not UTF-8.
    """
    if not must_exist and is_inaccessible(path):
        return None
    try:
        with open_regular(path) as file:
            raw = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise StorageFailed.of(error, f"open {path}") from None
        return None
    except OSError as error:
        raise StorageFailed.of(error, f"open {path}") from None
    if len(raw) > limit:
        raise TooLarge(f"{path} is over the limit of {limit} bytes", limit=limit)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
