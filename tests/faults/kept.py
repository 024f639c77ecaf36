"""What an interrupted copy leaves on purpose, for the next one: blobs that are not complete, and those of directories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from .images import SIZES

_KEPT = ".kept.partial"


def is_kept(path: str) -> bool:
    """Whether a temporary file is one that is kept, or is in a directory that is."""
    return any(part.endswith(_KEPT) for part in PurePath(path).parts)


def litter(temporary: Mapping[str, bytes]) -> list[str]:
    """The temporary files that nobody can use."""
    return sorted(path for path in temporary if not is_kept(path))


def _is_plain(path: str) -> bool:
    """Whether a file is of the directory of a docker archive, where files called as blobs have what is in these.

    A copy that was killed early has left no journal there by which it could be told.
    """
    return ".tar." in PurePath(path).parent.name


def kept_bytes(temporary: Mapping[str, bytes]) -> dict[str, int]:
    """How many bytes of each blob are kept.

    A file that is longer than its blob ends with a journal; how much of it is there is not looked at.
    """
    found: dict[str, int] = {}
    for path, content in temporary.items():
        name = PurePath(path).name
        for digest, size in SIZES.items():
            encoded = digest.partition(":")[2]
            if is_kept(path) and ((name == encoded and not _is_plain(path)) or name.startswith(f".{encoded[:40]}.")) and len(content) <= size:
                found[digest] = max(found.get(digest, 0), len(content))
    return found
