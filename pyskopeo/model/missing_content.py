"""Content that is missing, and where it can be fetched: the report that goes with exit code 3. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..fast_dataclass import dataclass, replace
from .descriptor import UNKNOWN_SIZE, Descriptor


@dataclass(frozen=True, slots=True)
class MissingContent:
    """A manifest or a blob that is missing; ``sources`` are repositories that are known to have it, HOST/REPOSITORY."""

    descriptor: Descriptor
    sources: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; a size that is not known is null."""
        descriptor = self.descriptor
        return {
            "mediaType": descriptor.media_type,
            "digest": str(descriptor.digest),
            "size": None if descriptor.size == UNKNOWN_SIZE else descriptor.size,
            "sources": list(self.sources),
        }


def missing_json(missing: Iterable[MissingContent]) -> dict[str, Any]:
    """Return the JSON document ``{"missing": [...]}``: each digest once, sorted, with all its sources in order."""
    found: dict[str, MissingContent] = {}
    for content in missing:
        digest = str(content.descriptor.digest)
        known = found.setdefault(digest, content)
        found[digest] = replace(known, sources=tuple(dict.fromkeys(known.sources + content.sources)))
    return {"missing": [found[digest].to_json() for digest in sorted(found)]}
