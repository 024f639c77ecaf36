"""Delete the image in a directory, as the transport ``dir:`` has written it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import DestinationRefused
from .directory_files import MANIFEST_FILE, SIGNATURE_FILE, VERSION_FILE, check_replaceable
from .files import storage_errors
from .partial_files import is_partial

# Blobs and child manifests: their digests, with the algorithm if that is not sha256.
_CONTENT = re.compile(r"(?:[a-z0-9]+-)?[0-9a-f]{32,128}(?:\.manifest\.json)?", re.ASCII)


def delete_directory_image(path: Path, root: Path) -> None:
    """Delete the files of the image in ``path``, the directory, and its parents below ``root`` that are empty then.

    The manifest is deleted first: without it there is no image. Raises `DestinationRefused`, without deleting anything,
    if there are files that belong to no image, and `StorageFailed`.
    """
    check_replaceable(path)
    with storage_errors(f"deleting {path}"):
        names = os.listdir(path)
        if strange := [name for name in sorted(names) if not _is_of_image(name) or (path / name).is_dir()]:
            raise DestinationRefused(f"{path} has files that belong to no image, such as {ascii(strange[0])}: it stays")
        for name in sorted(names, key=lambda name: name != MANIFEST_FILE):
            (path / name).unlink(missing_ok=True)
        path.rmdir()
    for parent in path.parents:
        if parent == root or root not in parent.parents:
            return
        try:
            parent.rmdir()
        except OSError:  # another image is there
            return


def _is_of_image(name: str) -> bool:
    return (
        name in (MANIFEST_FILE, VERSION_FILE) or is_partial(name)
        or _CONTENT.fullmatch(name) is not None or SIGNATURE_FILE.fullmatch(name) is not None
    )  # fmt: skip
