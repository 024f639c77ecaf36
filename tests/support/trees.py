"""What is in a folder after a test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyskopeo.storage.partial_files import is_kept


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` by its relative path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def leftovers(folder: Path) -> list[str]:
    """Whatever below ``folder`` is half-written by its name."""
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if ".partial" in p.name]


def without_kept(names: Iterable[str]) -> list[str]:
    """The names of files but those that the next run goes on with."""
    return [name for name in names if not any(map(is_kept, Path(name).parts))]
