"""What is in a folder after a test."""

from __future__ import annotations

from pathlib import Path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` by its relative path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def leftovers(folder: Path) -> list[str]:
    """Whatever below ``folder`` is half-written by its name."""
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if ".partial" in p.name]
