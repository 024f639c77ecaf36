"""List the images of a sync request: those at the source, selected, with their names at the destination."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from .destination_names import check_distinct
from .selected_images import selected_groups
from .source_contents import SourceContents
from .source_lister import SourceLister
from .sync_request import Listing, SyncRequest, SyncSink

if TYPE_CHECKING:
    from ..access import Access
    from .source_images import SourceImage
    from .source_lister import ListTags, ShareConnections


async def list_images(
    request: SyncRequest, access: Access, list_tags: ListTags, share: ShareConnections, report: SyncSink
) -> Listing:
    """Return all images to copy; nothing is written.

    A repository of a YAML file that cannot be listed is reported and counted, the others are listed. Raises
    `InvalidInput` when there are no images, or two with the same name at the destination, and the source's errors.
    """
    contents = SourceContents() if request.delete else None
    lister = SourceLister(access, list_tags, share, report, guard=request.guard, contents=contents)
    await lister.add_parts(request)
    listed = await lister.groups()
    groups = selected_groups(request, listed, report)
    if not groups and request.source_transport != "yaml":
        found = sum(len(images) for _, images in listed)
        left_out = f": {request.tag_selection.flags} selects none of the {found} there" if found else ""
        raise InvalidInput(f'No images to sync found in "{request.source}"{left_out}')
    listing = Listing(groups, lister.failures, contents)
    check_distinct(listing.images)
    return listing


async def list_yaml_images(
    source: str, access: Access, list_tags: ListTags, share: ShareConnections, report: SyncSink, *,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[tuple[Access, SourceImage]]:  # fmt: skip
    """Return the images that a YAML file names, with the access for each; ``guard`` is that of `SyncRequest`.

    Raises `StorageFailed`, `InvalidInput` and `TooLarge` for the file, and for everything that cannot be listed.
    """
    lister = SourceLister(access, list_tags, share, report, guard=guard, strict=True)
    await lister.find_yaml(source)
    return [(group, image) for group, images in await lister.groups() for image in images]
