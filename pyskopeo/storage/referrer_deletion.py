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
        kept = _without(current, referrers, files)
        needed = _reachable(files, kept.descriptors)
        for digest in {digest for digests in referrers.values() for digest in digests}:
            if digest in needed:
                raise Unsupported(f"{digest} is a part of an index, or another manifest refers to it: it stays")
        unneeded.update(_reachable(files, current.descriptors) - needed)
        return kept

    async with locked(root / "blobs", on_wait=on_wait):
        await index.update(change)
        for digest in unneeded:
            with storage_errors(f"deleting blob {digest} of {root}"):
                (root / "blobs" / digest_name(digest)).unlink(missing_ok=True)


def _without(
    layout: LayoutIndex, referrers: Mapping[Digest, Collection[Digest]], files: DirectoryFiles
) -> LayoutIndex:
    """Return the index of the layout without referrers; changed lists of the tag schema are written."""
    removed = {digest for digests in referrers.values() for digest in digests}
    kept = layout.without(n for n, entry in enumerate(layout.descriptors) if entry.digest in removed)
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
        if new is found:
            continue
        if not new.entries:
            kept = kept.without(positions)
            continue
        manifest = new.to_manifest()
        path = files.path_of(manifest.digest)
        write_atomically(path, manifest.raw)
        kept = kept.with_images({tag: manifest})
    return kept


def _reachable(files: DirectoryFiles, descriptors: Iterable[Descriptor]) -> set[Digest]:
    return set(read_reachable(files, (("", descriptor) for descriptor in descriptors))[0].nodes)
