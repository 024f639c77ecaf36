"""Delete what refers to images from a layout: its entries, and the blobs that nothing else needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, Unsupported
from ..model.referrer import referrers_tag
from ..model.referrer_index import ReferrerIndex
from ..model.strict_json import MANIFEST_LIMIT
from .files import digest_name, storage_errors
from .index_file import IndexFile
from .locks import locked
from .oci_layout import DirectoryFiles
from .partial_files import write_atomically
from .reachable_blobs import read_reachable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.layout import LayoutIndex
    from ..model.manifest import Manifest


async def delete_referrers(
    root: Path, referrers: Mapping[Digest, Collection[Digest]], *,
    shared: Path | None = None, on_wait: Callable[[], None] | None = None,
) -> None:  # fmt: skip
    """Delete manifests, given by the digests of what they refer to, from the layout in ``root``.

    All their entries go, whatever their names are, and those in the lists of the tag schema. ``shared`` and
    ``on_wait`` are as for `delete_image`: blobs that layouts share stay.

    Raises `Unsupported` for a manifest that is a part of an index, `StorageFailed`, and `InvalidContent` if a manifest
    of the layout cannot be read: then nothing is deleted.
    """
    files, index = DirectoryFiles(root, shared), IndexFile(root)
    unneeded: set[Digest] = set()

    def change(current: LayoutIndex) -> LayoutIndex:
        kept, lists = _without(current, referrers, files)
        listed = [entry for index in lists.values() for entry in index.manifests]
        needed = _reachable(files, (*kept.descriptors, *listed)) | {index.digest for index in lists.values()}
        for digest in {digest for digests in referrers.values() for digest in digests}:
            if digest in needed:
                raise Unsupported(f"{digest} is a part of an index, or another manifest refers to it: it stays")
        unneeded.update(_reachable(files, current.descriptors) - needed)
        for index in lists.values():
            write_atomically(files.path_of(index.digest), index.raw)
        return kept.with_images(lists)

    async with locked(root / "blobs", on_wait=on_wait):
        await index.update(change)
        for digest in unneeded:
            with storage_errors(f"deleting blob {digest} of {root}"):
                (root / "blobs" / digest_name(digest)).unlink(missing_ok=True)


def _without(
    layout: LayoutIndex, referrers: Mapping[Digest, Collection[Digest]], files: DirectoryFiles
) -> tuple[LayoutIndex, dict[str, Manifest]]:
    """Return the index of the layout without referrers and the lists that name them, and new lists by their tags."""
    removed = {digest for digests in referrers.values() for digest in digests}
    kept = layout.without(n for n, entry in enumerate(layout.descriptors) if entry.digest in removed)
    lists: dict[str, Manifest] = {}
    for subject, digests in referrers.items():
        tag = referrers_tag(subject)
        positions = kept.positions(tag)
        if not positions:
            continue
        where = f"{tag} of {files.root}"
        try:
            raw = files.content(f"blobs/{digest_name(kept.descriptors[positions[-1]].digest)}", MANIFEST_LIMIT)
        except NotFound as error:
            raise InvalidContent(f"{where} cannot be read: {error}; see layout verify") from error
        found = ReferrerIndex.parse(raw, where)
        new = found.without(frozenset(map(str, digests)))
        if new is not found:
            kept = kept.without(positions)
            lists |= {tag: new.to_manifest()} if new.entries else {}
    return kept, lists


def _reachable(files: DirectoryFiles, descriptors: Iterable[Descriptor]) -> set[Digest]:
    return set(read_reachable(files, (("", descriptor) for descriptor in descriptors))[0].nodes)
