"""Names of local images that mean the same on every worker: with absolute paths."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..fast_dataclass import replace

if TYPE_CHECKING:
    from ..syncing.plan_file import PlanHeader, PlannedImage


def absolute_name(name: str) -> str:
    """Return an image name, or a place, ``transport:details``, with the path in it as seen from here made absolute."""
    transport, _, details = name.partition(":")
    if transport not in ("dir", "oci", "docker-archive"):
        return name
    path, colon, rest = (details, "", "") if transport == "dir" else details.partition(":")
    return f"{transport}:{os.path.abspath(path)}{colon}{rest}"


def absolute_header(header: PlanHeader) -> PlanHeader:
    """Return the header of a plan with absolute paths."""
    return replace(header, source=absolute_name(header.source), destination=absolute_name(header.destination))


def absolute_image(image: PlannedImage) -> PlannedImage:
    """Return an image of a plan with absolute paths."""
    source, destination = absolute_name(image.source), absolute_name(image.destination)
    if (source, destination) == (image.source, image.destination):
        return image
    return replace(image, source=source, destination=destination)
