"""Reading of auth files: a limit on their size, and who else can read or change them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..config.user_files import open_user_file
from ..errors import CredentialsFailed

_FILE_LIMIT = 1024 * 1024


def read(path: Path, *, regular: bool = False) -> tuple[bytes, int]:
    """Return the content of an auth file and its mode; it may be a pipe's descriptor unless it has to be ``regular``.

    Raises `OSError`, and `CredentialsFailed` if it is not a regular file or over 1 MiB.
    """
    if regular and not stat.S_ISREG(path.stat().st_mode):
        raise CredentialsFailed(f"{path} is not a regular file, so no credentials can be kept there; name another")
    with open_user_file(path) as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(_FILE_LIMIT + 1)
    if len(content) > _FILE_LIMIT:
        raise CredentialsFailed(f"{path}: over {_FILE_LIMIT} bytes, which is no file of credentials; name another")
    return content, mode


def exposure(path: Path, mode: int, *, has_secrets: bool) -> str:
    """Return a warning about an auth file that others can change, or read if it ``has_secrets``; "" if they cannot.

    It may name programs to run, so changing it is as bad as reading it. ``mode`` is that of its `os.stat`.
    """
    if not stat.S_ISREG(mode):
        return ""
    others = "change" if mode & 0o022 else "read" if mode & 0o004 and has_secrets else ""
    if not others:
        return ""
    return (
        f"{path}: other users can {others} these credentials (mode {stat.S_IMODE(mode):04o}); "
        f"keep them out with: chmod 600 {path}"
    )
