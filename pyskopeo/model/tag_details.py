"""What a tag of a repository refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from .digest import Digest
    from .platform import Platform


@dataclass(frozen=True, slots=True)
class TagDetails:
    """A tag, and what it refers to.

    ``digest`` and ``media_type`` are those of the index, or of the image without one; ``platforms`` are what images
    there are for, without attestations. ``size`` (bytes of configuration and layers as they are stored) and ``created``
    (RFC 3339, as the configuration states it, or "") are those of the image for one platform, ``size`` None if it is
    not known. ``artifact_type`` is "" for images and indexes. ``problem`` says why nothing is known of a tag, or is "".
    """

    tag: str
    digest: Digest | None = None
    media_type: str = ""
    size: int | None = None
    created: str = ""
    platforms: tuple[Platform, ...] = ()
    artifact_type: str = ""
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``ls --long --json`` prints."""
        if self.problem:
            return {"tag": self.tag, "problem": self.problem}
        value: dict[str, Any] = {
            "tag": self.tag, "digest": str(self.digest), "mediaType": self.media_type, "size": self.size,
            "created": self.created or None, "platforms": list(map(str, self.platforms)),
        }  # fmt: skip
        return value | ({"artifactType": self.artifact_type} if self.artifact_type else {})
