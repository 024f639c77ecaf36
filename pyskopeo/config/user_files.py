"""Small files that users write: where their own are kept, and how all of them are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import InvalidInput, StorageFailed, TooLarge

LIMIT = 1024 * 1024


def user_folder(environ: Mapping[str, str], home: Path) -> Path:
    """``$XDG_CONFIG_HOME/containers``, else ``~/.config/containers``."""
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "containers")


def is_out_of_sight(path: Path) -> bool:
    """Whether it lies where we may not look, in another's home say: to skopeo that is not there."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def read_text(path: Path, *, must_exist: bool = False, limit: int = LIMIT) -> str | None:
    """The text of a file in UTF-8; None where there is none that we could know of, unless it ``must_exist``.

    Raises `StorageFailed`, `TooLarge` over ``limit`` bytes, `InvalidInput` for what is no UTF-8.
    """
    if not must_exist and is_out_of_sight(path):
        return None
    try:
        with path.open("rb") as file:
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
