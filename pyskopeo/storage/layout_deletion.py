"""Delete an image from a layout: its entry in ``index.json``, and the blobs that no other image of the layout needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NotFound, PathNotFound
from .files import digest_name, storage_errors
from .index_file import IndexFile
from .locks import locked
from .oci_layout import DirectoryFiles
from .reachable_blobs import read_reachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.layout import LayoutIndex


async def delete_image(root: Path, name: str, *, shared: Path | None = None) -> None:
    """Delete the image ``name`` from the layout in ``root``; see `LayoutIndex.find` for names.

    ``shared`` is the directory that has the blobs if several layouts share them: nothing in it is deleted, since other
    layouts may need it. Waits for copies to this layout that are under way. An image whose blobs are all needed by
    others, or are missing, loses its entry only.

    Raises `NotFound`, `PathNotFound`, `StorageFailed`, and `InvalidContent` if a manifest of the layout cannot be read:
    then nothing is deleted, since blobs that it needs are not known.
    """
    files, index = DirectoryFiles(root, shared), IndexFile(root)
    try:
        index.read()
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    blobs = root / "blobs"
    if not blobs.is_dir():
        await index.update(lambda current: _without(current, name, root)[0])
        return
    async with locked(blobs):
        unneeded: set[Digest] = set()

        def change(current: LayoutIndex) -> LayoutIndex:
            kept, removed = _without(current, name, root)
            unneeded.update(_reachable(files, removed) - _reachable(files, kept.descriptors))
            return kept

        await index.update(change)
        for digest in unneeded:
            with storage_errors(f"deleting blob {digest} of {root}"):
                (blobs / digest_name(digest)).unlink(missing_ok=True)


def _without(index: LayoutIndex, name: str, root: Path) -> tuple[LayoutIndex, list[Descriptor]]:
    """Return the index without an image, and the entries that were removed."""
    positions = index.find_positions(name, str(root))
    return index.without(positions), [index.descriptors[position] for position in positions]


def _reachable(files: DirectoryFiles, descriptors: Iterable[Descriptor]) -> set[Digest]:
    """Return the digests of all that can be reached from entries; manifests that are missing end there."""
    return set(read_reachable(files, (("", descriptor) for descriptor in descriptors))[0].nodes)
