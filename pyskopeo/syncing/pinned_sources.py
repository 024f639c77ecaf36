"""The name by which the source of an image is opened: by the digest that is wanted, whatever its tag refers to now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import replace
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..interfaces import ImageReference
    from .sync_request import SyncImage


def pinned_source(image: SyncImage) -> ImageReference:
    """Return the parsed name of the source of ``image``; in a registry by its digest, if that is known.

    Raises `InvalidName`.
    """
    named = parse_image_name(image.source)
    reference = named.reference
    if reference is None or not is_pinned_by_plan(image):
        return named
    return parse_image_name(f"docker://{replace(reference, tag='', digest=image.pinned)}")


def is_pinned_by_plan(image: SyncImage) -> bool:
    """Return whether a plan says the digest of an image of a registry, and its name does not."""
    return image.pinned is not None and image.source.startswith("docker://") and "@" not in image.source
