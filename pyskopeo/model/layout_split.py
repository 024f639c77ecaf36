"""Which image of a list lies in which layout, after it was split into one layout for each platform. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..fast_dataclass import dataclass
from .descriptor import Descriptor, platform_json
from .digest import Digest
from .platform import Platform

LIST_FILE = "platforms.json"
"""The name of the file with the JSON of a `LayoutSplit`, beside the layouts."""
ARTIFACTS = "artifacts"
"""The name of the layout with the entries of a list that are no images, such as attestations and SBOMs."""
ATTESTS = "vnd.docker.reference.digest"
"""The annotation of BuildKit's attestations: the digest of the image that they are about."""


@dataclass(frozen=True, slots=True)
class SplitImage:
    """An image that has a layout of its own, in the directory ``path``.

    ``descriptor`` is that in the layout; ``source`` is the digest in the list, another one if the image was converted.
    """

    path: str
    platform: Platform | None
    descriptor: Descriptor
    source: Digest

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "path": self.path,
            "platform": None if self.platform is None else platform_json(self.platform),
            "manifest": self.descriptor.to_json(),
            "source": str(self.source),
        }


@dataclass(frozen=True, slots=True)
class LayoutSplit:
    """The layouts that a list was split into.

    ``source`` is the descriptor of the list, ``name`` the name of the image in each layout, "" for none. ``artifacts``
    are the entries, decoded, of the list and those below it that are no images: all of them are in the layout
    `ARTIFACTS`. ``absent`` are entries that the source does not have.
    """

    source: Descriptor
    name: str
    images: tuple[SplitImage, ...]
    artifacts: tuple[Mapping[str, Any], ...] = ()
    absent: tuple[Descriptor, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``layout split``; paths are relative to the directory that was written."""
        artifacts = []
        for entry in self.artifacts:
            subject = (entry.get("annotations") or {}).get(ATTESTS)
            about = [image.path for image in self.images if str(image.source) == subject]
            artifacts.append({"path": ARTIFACTS, "manifest": dict(entry), "about": about[0] if about else None})
        return {
            "source": self.source.to_json(),
            "name": self.name,
            "images": [image.to_json() for image in self.images],
            "artifacts": artifacts,
            "absent": [entry.to_json() for entry in self.absent],
        }
