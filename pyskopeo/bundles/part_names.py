"""The files that a bundle is in: one, or parts ``FILE.part001`` and so on beside where it would be."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ..errors import PathNotFound, StorageFailed
from ..model.bundle import MOST_PARTS
from ..storage.archive_output import is_written_directly

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MANIFEST_ENDING = ".manifest"
"""What the name of the small file that stands for a bundle adds to that of the bundle."""
_PART = re.compile(r"\.part([0-9]{3})$")


def part_path(output: Path, number: int) -> Path:
    """Return the path of part ``number``, from 1, of the bundle at ``output``."""
    return output.with_name(f"{output.name}.part{number:03}")


def manifest_path(output: Path) -> Path:
    """Return the path of the small file that stands for the bundle at ``output``."""
    return output.with_name(f"{output.name}{MANIFEST_ENDING}")


def is_part(path: Path) -> bool:
    """Return whether a path is named as a part of a bundle."""
    return _PART.search(path.name) is not None


def existing_parts(output: Path) -> list[Path]:
    """Return the parts that are there of the bundle at ``output``, in their order; raises `StorageFailed`."""
    try:
        names = os.listdir(output.parent)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageFailed.of(error, f"reading {output.parent}") from error
    found = set(names)
    return [path for number in range(1, MOST_PARTS + 1) if (path := part_path(output, number)).name in found]


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that ``paths`` stand for, each once: a path without a file stands for the parts beside it.

    Raises `PathNotFound` for one without either, and `StorageFailed`.
    """
    found: dict[Path, None] = {}
    for path in paths:
        files = [path]
        if not is_written_directly(path) and not path.exists():
            files = existing_parts(path)
            if not files:
                parts = "" if is_part(path) else f", and no part {part_path(path, 1).name} beside it"
                raise PathNotFound(f"{path}: no such file{parts}")
        found.update(dict.fromkeys(files))
    return list(found)
