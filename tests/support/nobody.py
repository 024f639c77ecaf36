"""Being somebody whom permissions bind: root may write everywhere, so tests of that stop being root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """A folder of our own; if we are root, we are nobody until the end of the context."""
    folder = Path(tempfile.mkdtemp(prefix="nobody-"))
    as_root = os.geteuid() == 0
    try:
        if as_root:
            os.chown(folder, _NOBODY, _NOBODY)
            os.seteuid(_NOBODY)
        yield folder
    finally:
        if as_root:
            os.seteuid(0)
        for directory, _, _ in os.walk(folder):
            os.chmod(directory, 0o700)
        shutil.rmtree(folder)
