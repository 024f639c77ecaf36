"""Signatures in files that are numbered from 1, as in ``dir:`` and in a lookaside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotFound
from ..model.signature import MAX_SIGNATURES, SIGNATURE_LIMIT, Signature
from .files import read_bounded, storage_errors
from .partial_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def read_signatures(paths: Iterable[Path]) -> tuple[Signature, ...]:
    """Return the signatures in numbered files, until one does not exist.

    Raises `StorageFailed`, `InvalidContent` for an unknown format, and `TooLarge` for a file over `SIGNATURE_LIMIT`
    bytes, and as `Signature.check_total`.
    """
    found: list[Signature] = []
    size = 0
    for path in paths:
        try:
            raw = read_bounded(path, SIGNATURE_LIMIT)
        except NotFound:
            break
        size += len(raw)
        Signature.check_total(len(found) + 1, size, str(path))
        found.append(Signature.parse(raw, str(path)))
    return tuple(found)


class LookasideFiles:
    """A lookaside in local files: one directory for each manifest, with files ``signature-1`` and so on.

    ``directory`` is that of a manifest, as `registry.lookaside` names it.
    """

    @staticmethod
    def read(directory: Path) -> tuple[Signature, ...]:
        """Return the signatures in a directory, none if it does not exist; raises what `read_signatures` raises."""
        return read_signatures(directory / f"signature-{number}" for number in range(1, MAX_SIGNATURES + 2))

    @staticmethod
    def write(directory: Path, signatures: Sequence[Signature]) -> None:
        """Store signatures in the place of those that are there; raises `StorageFailed`.

        Each file is replaced as a whole. Readers stop at the first number that is missing.
        """
        with storage_errors(f"creating {directory}"):
            directory.mkdir(parents=True, exist_ok=True)
        for number, signature in enumerate(signatures, 1):
            write_atomically(directory / f"signature-{number}", signature.to_bytes())
        LookasideFiles.remove(directory, len(signatures) + 1)

    @staticmethod
    def remove(directory: Path, first: int = 1) -> int:
        """Remove the signatures from the number ``first`` on; return how many there were. Raises `StorageFailed`."""
        number = first
        with storage_errors(f"writing {directory}"):
            while (old := directory / f"signature-{number}").exists():
                old.unlink()
                number += 1
        return number - first
