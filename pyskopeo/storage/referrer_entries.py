"""Have referrers found in an OCI layout: an entry of ``index.json`` for each subject, named as in the tag schema.

That is what other programs write and read, too. A single entry keeps ``index.json`` short, whatever refers to an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import InvalidContent, NotFound
from ..model.referrer import referrers_tag
from ..model.referrer_index import ReferrerIndex, referrer_descriptor
from ..model.strict_json import MANIFEST_LIMIT
from .files import read_bounded
from .partial_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from ..model.digest import Digest
    from ..model.layout import LayoutIndex
    from ..model.manifest import Manifest
    from .index_file import IndexFile

    Change: TypeAlias = Callable[[ReferrerIndex], ReferrerIndex]


class BlobPaths(Protocol):
    """Where the blobs of a layout are."""

    def existing_path(self, digest: Digest) -> Path:
        """Return the path of a blob."""
        ...

    def writable_path(self, digest: Digest) -> Path:
        """Return the path of a blob that is to be written; its directory is there."""
        ...


async def add_referrers(index: IndexFile, paths: BlobPaths, subject: Digest, referrers: Sequence[Manifest]) -> int:
    """Add ``referrers``, which are in the layout, to what refers to ``subject``; the entries of others stay.

    Returns how many were not among them. Raises what `change_referrers` raises.
    """
    entries = [referrer_descriptor(manifest) for manifest in referrers]
    added = 0

    def change(found: ReferrerIndex) -> ReferrerIndex:
        nonlocal added
        changed = found.with_referrers(entries)
        added = len(changed.entries) - len(found.entries)
        return changed

    await change_referrers(index, paths, subject, change)
    return added


async def change_referrers(index: IndexFile, paths: BlobPaths, subject: Digest, change: Change) -> None:
    """Replace the index of what refers to ``subject`` by what ``change`` returns for it, under the lock of the layout.

    Nothing is written if that is the same object. Raises what it raises, `StorageFailed`, and `InvalidContent` for what
    is no index.
    """
    tag = referrers_tag(subject)
    where = f"{tag} of this layout"

    def changed(layout: LayoutIndex) -> LayoutIndex:
        positions, found = layout.positions(tag), ReferrerIndex.empty()
        if positions:
            path = paths.existing_path(layout.descriptors[positions[-1]].digest)
            try:
                found = ReferrerIndex.parse(read_bounded(path, MANIFEST_LIMIT), where)
            except NotFound as error:
                raise InvalidContent(f"{where} cannot be read: {error}; see layout verify") from error
        new = change(found)
        if new is found:
            return layout
        manifest = new.to_manifest()
        write_atomically(paths.writable_path(manifest.digest), manifest.raw)
        return layout.with_images({tag: manifest})

    await index.update(changed)
