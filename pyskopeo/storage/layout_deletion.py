"""Delete an image from a layout: its entry in ``index.json``, and the blobs that no other image of the layout needs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NotFound, PathNotFound
from ..fast_dataclass import dataclass
from ..model.layout import reference_name
from ..model.referrer import belongs_to_image, referrers_tag
from .blob_links import awaited_blobs
from .files import digest_name, storage_errors
from .index_file import IndexFile
from .locks import locked
from .oci_layout import DirectoryFiles
from .reachable_blobs import read_reachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.layout import LayoutIndex


@dataclass(frozen=True, slots=True)
class LayoutDeletion:
    """What was deleted with an image of a layout, or would be.

    ``entries`` are those of the index, ``blobs`` the digests of the files with their sizes in bytes.
    """

    entries: tuple[Descriptor, ...]
    blobs: tuple[tuple[Digest, int], ...]


async def delete_image(
    root: Path, name: str, *,
    shared: Path | None = None, dry_run: bool = False, on_wait: Callable[[], None] | None = None,
) -> LayoutDeletion:  # fmt: skip
    """Delete the image ``name`` from the layout in ``root``; see `LayoutIndex.find` for names.

    The lists of what refers to the image, and cosign's images with tags of its digest, are deleted with it, unless it
    has another name. ``shared`` is the directory that has the blobs if several layouts share them: nothing in it is
    deleted, since other layouts may need it. Waits for copies to this layout that are under way. An image whose blobs
    are all needed by others, or are missing, loses its entry only. With ``dry_run`` nothing is changed, and nothing
    waited for. ``on_wait`` is called if it has to wait for long.

    Raises `NotFound`, `PathNotFound`, `StorageFailed`, and `InvalidContent` if a manifest of the layout cannot be read:
    then nothing is deleted, since blobs that it needs are not known.
    """
    return await delete_images(root, [name], shared=shared, dry_run=dry_run, on_wait=on_wait)


async def delete_images(
    root: Path, names: Sequence[str], *,
    shared: Path | None = None, dry_run: bool = False, on_wait: Callable[[], None] | None = None,
) -> LayoutDeletion:  # fmt: skip
    """Delete several images as `delete_image` does, in one change of the index; all manifests are read only once."""
    files, index = DirectoryFiles(root, shared), IndexFile(root)
    try:
        current = index.read()
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    if dry_run:
        return _plan(current, names, root, files)[1]
    blobs = root / "blobs"
    if not blobs.is_dir():
        return await _delete_entries(index, names, root, files)
    async with locked(blobs, on_wait=on_wait):
        deletion = await _delete_entries(index, names, root, files)
        for digest, _ in deletion.blobs:
            with storage_errors(f"deleting blob {digest} of {root}"):
                (blobs / digest_name(digest)).unlink(missing_ok=True)
    return deletion


async def _delete_entries(index: IndexFile, names: Sequence[str], root: Path, files: DirectoryFiles) -> LayoutDeletion:
    planned: list[LayoutDeletion] = []

    def change(current: LayoutIndex) -> LayoutIndex:
        kept, deletion = _plan(current, names, root, files)
        planned.append(deletion)
        return kept

    await index.update(change)
    return planned[0]


def _plan(
    index: LayoutIndex, names: Iterable[str], root: Path, files: DirectoryFiles
) -> tuple[LayoutIndex, LayoutDeletion]:
    """Return the index without some images, and what is to be deleted with them."""
    found = dict.fromkeys(position for name in names for position in index.find_positions(name, str(root)))
    positions = _with_what_belongs(index, list(found), files)
    kept, entries = index.without(positions), tuple(index.descriptors[position] for position in positions)
    unneeded = _reachable(files, entries) - _reachable(files, kept.descriptors)
    blobs, awaited = [], awaited_blobs(root)
    for digest in sorted(unneeded, key=str):
        if str(digest) in awaited:
            continue
        with suppress(OSError):  # missing, or in a directory that layouts share
            blobs.append((digest, (root / "blobs" / digest_name(digest)).lstat().st_size))
    return kept, LayoutDeletion(entries, tuple(blobs))


def _with_what_belongs(index: LayoutIndex, positions: Sequence[int], files: DirectoryFiles) -> Sequence[int]:
    """Return the positions of entries, and of the lists of referrers and cosign's images that belong to these alone."""
    tags = {
        position: tag for position, entry in enumerate(index.descriptors)
        if belongs_to_image(tag := reference_name(entry).rpartition(":")[2])
    }  # fmt: skip
    removed = list(positions)
    while tags := {position: tag for position, tag in tags.items() if position not in removed}:
        others = [entry for position, entry in enumerate(index.descriptors) if position not in removed]
        gone = _reachable(files, (index.descriptors[position] for position in removed), subjects=False)
        gone -= _reachable(files, others, subjects=False)
        owned = {f"{digest.algorithm}-{digest.hex}" for digest in gone} | set(map(referrers_tag, gone))
        found = [position for position, tag in tags.items() if tag.partition(".")[0] in owned]
        if not found:
            break
        removed += found
    return removed


def _reachable(files: DirectoryFiles, descriptors: Iterable[Descriptor], *, subjects: bool = True) -> set[Digest]:
    """Return the digests of all that can be reached from entries; manifests that are missing end there."""
    return set(read_reachable(files, (("", descriptor) for descriptor in descriptors), subjects=subjects)[0].nodes)
