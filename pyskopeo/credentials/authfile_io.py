"""Reading a file of credentials."""

from __future__ import annotations

import stat
from pathlib import Path

from ..errors import CredentialsFailed

_FILE_LIMIT = 1024 * 1024


def read(path: Path, *, regular: bool = False) -> bytes:
    """The content of a file of credentials, which may be a pipe unless it must be ``regular``.

    Raises `OSError`, and `CredentialsFailed` for one that cannot be a file of credentials.
    """
    if regular and not stat.S_ISREG(path.stat().st_mode):
        raise CredentialsFailed(f"{path} is not a regular file, so no credentials can be kept there; name another")
    with path.open("rb") as file:
        content = file.read(_FILE_LIMIT + 1)
    if len(content) > _FILE_LIMIT:
        raise CredentialsFailed(f"{path}: over {_FILE_LIMIT} bytes, which is no file of credentials; name another")
    return content
