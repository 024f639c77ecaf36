"""``pyskopeo copy --split-platforms``: after a copy, one layout for each platform beside the list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..fast_dataclass import replace
from .verification_view import print_json

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference
    from ..model.digest import Digest


@contextmanager
def sharing_files(access: Access) -> Iterator[Access]:
    """Return ``access`` with what a copy and the split after it know of local files, so that none is read twice."""
    from ..api.layout_split import linking_files

    files = linking_files(access)
    try:
        yield replace(access, storage=replace(access.storage, shared_files=files))
    finally:
        files.remove_empty_directories()
        files.save()


async def split_copied(destination: ImageReference, digest: Digest, style: str, access: Access) -> None:
    """Split the list that was copied to ``destination`` into its directory, and print what lies where."""
    from ..api.layout_split import split_layout
    from ..model.layout import reference_name
    from ..storage.index_file import IndexFile
    from ..transports.oci import OciReference

    assert isinstance(destination, OciReference)
    directory = f"oci:{destination.path}"
    entries = IndexFile(destination.path).read().descriptors
    position = next(
        at for at, entry in enumerate(entries) if entry.digest == digest and reference_name(entry) == destination.name
    )
    done = await split_layout(f"{directory}:@{position}", directory, names=style, access=access)
    print_json(done.to_json())
