"""Reading of auth files, with a limit on their size."""

from __future__ import annotations

import stat
from pathlib import Path

from ..errors import CredentialsFailed

_FILE_LIMIT = 1024 * 1024


def read(path: Path, *, regular: bool = False) -> bytes:
    """Return the content of an auth file, which may be a pipe unless it has to be ``regular``.

    Raises `OSError`, and `CredentialsFailed` if it is not a regular file or over 1 MiB.
    """
    if regular and not stat.S_ISREG(path.stat().st_mode):
        raise CredentialsFailed(f"{path} is not a regular file, so no credentials can be kept there; name another")
    with path.open("rb") as file:
        content = file.read(_FILE_LIMIT + 1)
    if len(content) > _FILE_LIMIT:
        raise CredentialsFailed(f"{path}: over {_FILE_LIMIT} bytes, which is no file of credentials; name another")
    return content
