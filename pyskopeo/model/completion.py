"""The result of bringing together what an image needs, and its JSON. No I/O."""

from __future__ import annotations

from typing import Any

from ..fast_dataclass import dataclass
from .descriptor import Descriptor
from .events import Placement
from .missing_content import MissingContent, missing_json


@dataclass(frozen=True, slots=True)
class PlacedContent:
    """A manifest or a blob that was added to a layout, from the place called ``source``."""

    descriptor: Descriptor
    placement: Placement
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "mediaType": self.descriptor.media_type, "digest": str(self.descriptor.digest),
            "size": self.descriptor.size, "placement": self.placement.value, "source": self.source,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class CompletionReport:
    """What was added to a layout, and what is still ``missing``; ``present`` is the number of what was there before.

    ``rejected`` are messages about content that some place had under the right name, but wrong.
    """

    placed: tuple[PlacedContent, ...] = ()
    missing: tuple[MissingContent, ...] = ()
    present: int = 0
    rejected: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``layout complete --json``: sorted by digest."""
        placed = sorted(self.placed, key=lambda one: str(one.descriptor.digest))
        return {"present": self.present, "placed": [one.to_json() for one in placed]} | missing_json(self.missing)
