"""The index that lists what refers to a manifest where a registry has no API for that ("Referrers Tag Schema").

Entries of others are kept as they are. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..errors import ContentMismatch, InvalidContent, TooLarge, Unsupported
from ..fast_dataclass import dataclass, replace
from . import mediatype
from .descriptor import Descriptor
from .manifest import Manifest
from .referrer import MAX_REFERRERS, artifact_type
from .strict_json import MANIFEST_LIMIT


@dataclass(frozen=True, slots=True)
class ReferrerIndex:
    """An index of referrers: its decoded ``document``, and the digests of its ``entries`` as text, in order."""

    document: Mapping[str, Any]
    entries: tuple[str, ...]

    @classmethod
    def empty(cls) -> ReferrerIndex:
        """Return an index without referrers."""
        return cls({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": []}, ())

    @classmethod
    def parse(cls, raw: bytes, where: str) -> ReferrerIndex:
        """Parse the index ``raw``, which ``where`` names in errors; raises `InvalidContent` for what is no index."""
        try:
            index = Manifest.parse(raw)
        except ContentMismatch:
            raise
        except (InvalidContent, Unsupported) as error:
            raise InvalidContent(f"{where}: {error}") from error
        if not index.is_index:
            raise InvalidContent(f"{where}: it is no index, so it is not changed")
        return cls(index.document, tuple(str(entry.digest) for entry in index.manifests))

    def with_referrers(self, referrers: Iterable[Descriptor]) -> ReferrerIndex:
        """Return the index with these entries, too; itself if it lists all of them already.

        Raises `TooLarge` for more than 10,000 entries.
        """
        new = {str(one.digest): one for one in referrers if str(one.digest) not in self.entries}
        if not new:
            return self
        if len(self.entries) + len(new) > MAX_REFERRERS:
            raise TooLarge(f"more than {MAX_REFERRERS} referrers of one manifest: refused", limit=MAX_REFERRERS)
        return self._with([*self._listed(), *map(_entry, new.values())])

    def without(self, digests: Collection[str]) -> ReferrerIndex:
        """Return the index without the entries of these digests, itself if it has none of them."""
        if not any(digest in digests for digest in self.entries):
            return self
        pairs = zip(self.entries, self._listed(), strict=True)
        return self._with([entry for digest, entry in pairs if digest not in digests])

    def to_manifest(self) -> Manifest:
        """Return the index as a manifest; raises `TooLarge` over 4 MiB."""
        raw = json.dumps(self.document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
        if len(raw) > MANIFEST_LIMIT:
            raise TooLarge(f"the index of referrers is over {MANIFEST_LIMIT} bytes: refused", limit=MANIFEST_LIMIT)
        return Manifest.parse(raw, content_type=mediatype.OCI_INDEX)

    def _listed(self) -> list[Mapping[str, Any]]:
        return list(self.document.get("manifests") or ())

    def _with(self, entries: list[Mapping[str, Any]]) -> ReferrerIndex:
        return ReferrerIndex({**self.document, "manifests": entries}, tuple(str(entry["digest"]) for entry in entries))


def referrer_descriptor(manifest: Manifest) -> Descriptor:
    """Return the descriptor that lists a referrer: with its artifact type and its annotations.

    Raises `InvalidContent` for annotations that are no texts.
    """
    annotations, kind = manifest.annotations, artifact_type(manifest)
    return replace(manifest.descriptor, platform=None, annotations=annotations, artifact_type=kind)


def _entry(referrer: Descriptor) -> dict[str, Any]:
    kind = {"artifactType": referrer.artifact_type} if referrer.artifact_type else {}
    return referrer.to_json() | kind
