"""Remove from a layout what no entry of its ``index.json`` needs: blobs, and temporary files of killed copies."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PathNotFound, StorageFailed
from ..model.layout import entry_name
from ..model.verification import GarbageReport, UnneededFile
from ..streams.cancellation import run_in_thread
from .blob_links import BlobLinks, awaited_blobs, is_registry_layout
from .index_file import IndexFile
from .layout_files import BLOBS, LayoutFile, check_layout_directory, leftovers_of, remove_stored, stored_files
from .locks import locked
from .oci_layout import DirectoryFiles
from .partial_files import remove_leftovers
from .reachable_blobs import read_reachable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model.layout import LayoutIndex
    from ..model.reachability import Node


async def collect_garbage(
    root: Path, *, shared: Path | None = None, sparse: bool = False, dry_run: bool = False,
    on_wait: Callable[[], None] | None = None,
) -> GarbageReport:  # fmt: skip
    """Remove the blobs of the layout in ``root`` that no entry needs, and what killed copies left; return which.

    Waits for copies to this layout that are under way, in any process; none begins until it is done. ``on_wait`` is
    called if it has to wait for long. Files that are no blobs stay. ``shared`` is the directory that has the blobs if
    several layouts share them: nothing in it is removed. ``sparse`` accepts images of an index that are missing. With
    ``dry_run`` nothing is removed.

    Raises `PathNotFound`, `StorageFailed`, and `InvalidContent` if the index or a manifest cannot be read, or is
    missing: then nothing is removed, since it is not known what is needed.
    """
    check_layout_directory(root)
    index = IndexFile(root)
    try:
        index.read()
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    blobs = root / BLOBS
    if not blobs.is_dir():
        async with locked(root):
            return await run_in_thread(lambda: GarbageReport(_remove_leftovers(root, [], dry_run=dry_run), (), dry_run))
    if blobs.is_symlink():
        raise StorageFailed(f"{blobs} is a symbolic link: other layouts may need the blobs that it leads to")
    async with locked(blobs, on_wait=on_wait), locked(root):
        work = partial(_collect, root, index.read(), DirectoryFiles(root, shared), sparse=sparse, dry_run=dry_run)
        return await run_in_thread(work)


def _collect(
    root: Path, index: LayoutIndex, files: DirectoryFiles, *, sparse: bool, dry_run: bool
) -> GarbageReport:  # fmt: skip
    roots = ((entry_name(descriptor, at), descriptor) for at, descriptor in enumerate(index.descriptors))
    graph, missing = read_reachable(files, roots)
    for node in missing:
        if not node.is_subject and not (sparse and node.is_platform):
            raise _unknown(root, node, graph.names(node))
    blobs = root / BLOBS
    removed: list[LayoutFile] = []
    awaited = awaited_blobs(root)
    kept: list[LayoutFile] = []
    directories: dict[str, bool] = {}
    for file in stored_files(blobs):
        own = directories.setdefault(file.algorithm, not (blobs / file.algorithm).is_symlink())
        if file.is_leftover and own:
            continue
        if file.digest is None or file.digest not in graph.nodes:
            is_blob = own and file.digest is not None and not file.is_directory
            if is_blob and str(file.digest) in awaited:
                continue
            (removed if is_blob else kept).append(file)
    if not dry_run:
        remove_stored(blobs, removed)
        _clean_registry(root)
    leftovers = _remove_leftovers(root, [name for name, own in directories.items() if own], dry_run=dry_run)
    return GarbageReport(
        tuple(sorted((*(file.described() for file in removed), *leftovers), key=_path)),
        tuple(sorted((file.described() for file in kept), key=_path)),
        dry_run,
    )


def _clean_registry(root: Path) -> None:
    """Remove what a registry has of blobs that are not there any more, and uploads that have expired."""
    from .registry_uploads import Uploads

    if is_registry_layout(root):
        BlobLinks(root).remove_dangling(lambda digest: (root / BLOBS / digest.replace(":", "/")).exists())
        Uploads(root).remove_expired()


def _unknown(root: Path, node: Node, names: Sequence[str]) -> InvalidContent:
    hint = "; --sparse accepts images of an index that are missing" if node.is_platform else ""
    return InvalidContent(
        f"{root}: manifest {node.descriptor.digest}, which {', '.join(names)} needs, is missing, so it is not known "
        f"what else is needed: nothing is removed. Fetch it with: layout repair{hint}"
    )


def _remove_leftovers(root: Path, algorithms: Sequence[str], *, dry_run: bool) -> tuple[UnneededFile, ...]:
    """Remove the temporary files of killed copies; return them, in a dry run those that would be removed."""
    blobs = (file for file in stored_files(root / BLOBS) if file.is_leftover and file.algorithm in algorithms)
    found = [*leftovers_of(root), *(file.described() for file in blobs)]
    if dry_run:
        return tuple(found)
    for directory in (root, *(root / BLOBS / name for name in algorithms)):
        remove_leftovers(directory, age=0.0)
    return tuple(file for file in found if not os.path.lexists(root / file.path))


def _path(file: UnneededFile) -> str:
    return file.path
