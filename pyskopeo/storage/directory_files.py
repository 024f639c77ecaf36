"""The files of an image in a directory, as the transport ``dir:`` names them (containers-transports(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .files import storage_errors
from .partial_files import is_partial

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.verification import UnneededFile

MANIFEST_FILE, VERSION_FILE = "manifest.json", "version"
SIGNATURE_FILE = re.compile(r"(?:[0-9a-z-]+\.)?signature-[0-9]+", re.ASCII)


def blob_name(digest: Digest) -> str:
    """Return the name of the file of a blob; that of a child manifest begins with it."""
    return digest.hex if digest.algorithm == "sha256" else f"{digest.algorithm}-{digest.hex}"


def file_of(descriptor: Descriptor) -> str:
    """Return the name of the file of a blob or of a child manifest, by its media type."""
    name = blob_name(descriptor.digest)
    return f"{name}.{MANIFEST_FILE}" if descriptor.is_manifest else name


def unneeded_files(path: Path, needed: Iterable[Descriptor]) -> list[UnneededFile]:
    """Return the files of the image in ``path`` that belong neither to ``needed`` nor to it; raises `StorageFailed`."""
    from ..model.verification import UnneededFile  # not loaded for copies

    known = {MANIFEST_FILE, VERSION_FILE, *map(file_of, needed)}
    with storage_errors(f"reading {path}"), os.scandir(path) as entries:
        return sorted(
            (
                UnneededFile(entry.name, entry.stat(follow_symlinks=False).st_size, is_partial(entry.name))
                for entry in entries if entry.name not in known and not SIGNATURE_FILE.fullmatch(entry.name)
            ),
            key=lambda file: file.path,
        )  # fmt: skip
