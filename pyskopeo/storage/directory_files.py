"""The files of an image in a directory, as the transport ``dir:`` names them (containers-transports(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DestinationRefused, NotFound, StorageFailed, TooLarge
from .files import read_bounded, storage_errors, suggest_archive
from .partial_files import is_kept, is_partial

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.verification import UnneededFile

MANIFEST_FILE, VERSION_FILE = "manifest.json", "version"
VERSION_TEXT = "Directory Transport Version: {}\n"
SIGNATURE_FILE = re.compile(r"(?:[0-9a-z-]+\.)?signature-[0-9]+", re.ASCII)


def blob_name(digest: Digest) -> str:
    """Return the name of the file of a blob; that of a child manifest begins with it."""
    return digest.hex if digest.algorithm == "sha256" else f"{digest.algorithm}-{digest.hex}"


def signature_name(number: int, digest: Digest | None) -> str:
    """Return the name of the file of a signature, by its ``number`` from 1; ``digest`` None: of the root manifest."""
    return f"signature-{number}" if digest is None else f"{blob_name(digest)}.signature-{number}"


def is_blob(name: str) -> bool:
    """Return whether a file of a directory is a blob, or the part of one that has arrived."""
    return is_kept(name) or ("." not in name and name != VERSION_FILE)


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


def check_replaceable(path: Path) -> None:
    """Raise `DestinationRefused` unless ``path`` does not exist, is empty, or contains such an image."""
    try:
        names = [name for name in os.listdir(path) if not is_partial(name)]
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        failure = StorageFailed.of(error, f"opening {path}")
        advice = f"; remove it, or choose another path{suggest_archive(path)}"
        raise StorageFailed(f"{failure}{advice}", errno=error.errno) from error
    except OSError as error:
        raise StorageFailed.of(error, f"opening {path}") from error
    if not names:
        return
    try:
        version = read_bounded(path / VERSION_FILE, 1024)
    except (NotFound, StorageFailed, TooLarge):
        version = b""
    if not version.startswith(VERSION_TEXT.format("1.").rstrip("\n").encode()):
        raise DestinationRefused(
            f'"{path}" is not a containers image directory, don\'t want to overwrite important data'
        )
