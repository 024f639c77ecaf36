"""Use a verified file of a local source as the blob itself: by a hard link, a symbolic link, or shared blocks."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import replace
from ..model.events import Placement
from ..streams.locations import LocalFile
from .existing_blobs import blob_status, content_state
from .files import real_path
from .partial_files import partial_name
from .verified_links import link_verified

if TYPE_CHECKING:
    from ..access import Reuse
    from ..streams.pump import Blob
    from .existing_blobs import ExistingBlobs


async def reuse_file(blob: Blob, path: Path, existing: ExistingBlobs, reuse: Reuse) -> Placement | Blob:
    """Make ``path`` a link to a file of the source that is the blob, as ``reuse`` says, and return `Placement.LINKED`.

    The file is verified before, as ``existing`` decides; symbolic links to it are followed, and what they lead to is
    linked. Otherwise returns the blob to write: for ``reflink`` with its file known as verified, so that its blocks are
    shared without reading them; unchanged, where nothing could be linked.
    """
    for location in blob.locations:
        if not isinstance(location, LocalFile) or location.offset or location.size is not None:
            continue  # a part of an archive
        target = real_path(location.path)
        if not await existing.holds(target, blob.descriptor):
            continue
        status = blob_status(target, blob.descriptor)
        if status is None:
            continue
        verified = LocalFile(target, linkable=True, verified=status)
        if reuse == "reflink":
            return replace(blob, locations=(verified,))
        if link_verified(verified, path) if reuse == "hardlink" else _symlink_verified(target, status, path):
            existing.moved(status, path, blob.descriptor.digest)
            return Placement.LINKED
    return blob


def _symlink_verified(target: Path, status: os.stat_result, path: Path) -> bool:
    """Make ``path`` a symbolic link to a file that was verified, if it has not changed since; ``path`` is replaced."""
    temporary = path.with_name(partial_name(path.name))
    try:
        os.symlink(target, temporary)
        try:
            if content_state(os.stat(temporary)) != content_state(status):
                return False
            os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    except OSError:
        return False  # a file system without symbolic links
    return True
