"""Refuse to replace what is at the destination of a sync, unless it is an older copy of the same source.

Only directories and layouts are protected: in a registry a tag is there to be moved.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..engine.destination_wrapper import DestinationWrapper
from ..errors import DestinationRefused

if TYPE_CHECKING:
    from ..interfaces import ImageDestination, ImageReference
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .record import Entry
    from .sync_request import SyncImage

NO_IMAGE_DIRECTORY = "it is not a containers image directory, don't want to overwrite important data"


def source_identity(source: str) -> str:
    """Return an image name that is the same from whichever directory a sync is run.

    An image of a layout that is named by its position gets the name of the layout: it is copied by its digest.
    """
    transport, _, details = source.partition(":")
    if transport not in ("dir", "oci", "docker-archive"):
        return source
    path, colon, name = (details, "", "") if transport == "dir" else details.partition(":")
    if path == "-":
        return source
    ending = "" if name.startswith("@") else f"{colon}{name}"
    return f"{transport}:{os.path.realpath(path)}{ending}"


def check_source(image: SyncImage, destination: ImageReference, entry: Entry | None) -> None:
    """Raise `DestinationRefused` if ``entry`` of the record says that ``destination`` is a copy of another source."""
    if entry is not None and entry.source != source_identity(image.source):
        raise refused(destination, f"it holds a copy of {entry.source}; --scoped keeps the whole path of each source")


def is_replaceable(present: Manifest | None, entry: Entry | None) -> bool:
    """Return whether the image at the destination is a copy of the same source, after `check_source`.

    ``present`` is its root manifest, None if it cannot be read: then the copy of this source is damaged.
    """
    return entry is not None and (present is None or present.digest == entry.digest)


def refused(destination: ImageReference, reason: str) -> DestinationRefused:
    """Return the error for a destination that must not be replaced, in skopeo's words."""
    what = "directory" if destination.transport == "dir" else "image"
    return DestinationRefused(f'Refusing to overwrite destination {what} "{destination.details}": {reason}')


class UnchangedOnly(DestinationWrapper):
    """A destination that accepts only what is there already: the image with the digest ``present``, if any."""

    def __init__(self, opened: ImageDestination, destination: ImageReference, present: Digest | None) -> None:
        super().__init__(opened)
        self._name, self._present = destination, present

    async def begin(self, root: Manifest) -> None:
        if root.digest != self._present:
            raise refused(
                self._name, "it is not known to be a copy of the same source; remove it, or choose another destination"
            )
        await super().begin(root)
