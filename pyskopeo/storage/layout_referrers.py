"""What refers to what in an OCI layout: by the subjects of its manifests, and by the names of its entries."""

from __future__ import annotations

from collections import deque
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, TooLarge, Unsupported
from ..fast_dataclass import dataclass, replace
from ..model.descriptor import Descriptor
from ..model.layout import reference_name
from ..model.manifest import Manifest
from ..model.referrer import COSIGN_SUFFIXES, Referrer, artifact_type, cosign_tag, referrers_tag
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.cancellation import check_cancelled, run_in_thread
from .files import digest_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.digest import Digest
    from ..model.layout import LayoutIndex
    from .layout_content import LayoutFiles

# The number of manifests of a layout that are read, and the size in bytes of those that are kept.
_MAX_MANIFESTS = 100_000
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LayoutReferrers:
    """The referrers in a layout: ``by_subject``, ``by_tag`` of the tag schema, and cosign's, by their tags too."""

    by_subject: dict[Digest, dict[Digest, Referrer]] = field(default_factory=dict)
    by_tag: dict[str, tuple[Descriptor, ...]] = field(default_factory=dict)
    cosign: dict[str, Referrer] = field(default_factory=dict)

    def of(self, digest: Digest) -> tuple[Referrer, ...]:
        """Return all that refers to ``digest``, sorted by digest, cosign's last."""
        return (*self.referring(digest), *self.tagged(digest))

    def referring(self, digest: Digest) -> tuple[Referrer, ...]:
        """Return the manifests whose subject is ``digest``, or that the tag schema lists, sorted by digest."""
        found = dict(self.by_subject.get(digest, ()))
        tag = referrers_tag(digest)
        for one in self.by_tag.get(tag, ()):
            found.setdefault(one.digest, Referrer(one, one.artifact_type, "tag schema", tag))
        return tuple(sorted(found.values(), key=lambda one: one.descriptor.digest))

    def tagged(self, digest: Digest) -> tuple[Referrer, ...]:
        """Return the images with cosign's tags for ``digest``."""
        tags = (cosign_tag(digest, suffix) for suffix in COSIGN_SUFFIXES)
        return tuple(self.cosign[tag] for tag in tags if tag in self.cosign)


class ReferrerCache:
    """The referrers in a layout as its index was read last, for several images of it."""

    def __init__(self) -> None:
        self._read: tuple[LayoutIndex, LayoutReferrers] | None = None

    async def read(self, files: LayoutFiles, index: LayoutIndex) -> LayoutReferrers:
        """Return the referrers of ``index``; raises what `read_referrers` raises."""
        if self._read is None or self._read[0] is not index:
            found = await run_in_thread(partial(read_referrers, files, index.descriptors))
            self._read = index, found
        return self._read[1]


def read_referrers(files: LayoutFiles, entries: Iterable[Descriptor]) -> LayoutReferrers:
    """Read the manifests that ``entries`` lead to; for a worker thread.

    Manifests that are missing, or that cannot be read as such, are left out. Raises `StorageFailed`, and `TooLarge` for
    more than 100,000 manifests or for referrers of more than 64 MiB in total.
    """
    found = LayoutReferrers()
    queue, kept = deque(entries), 0
    seen: set[tuple[Digest, str]] = set()
    while queue:
        check_cancelled()
        entry = queue.popleft()
        tag = reference_name(entry).rpartition(":")[2]
        if (entry.digest, tag) in seen or entry.is_blob:
            continue
        seen.add((entry.digest, tag))
        if len(seen) > _MAX_MANIFESTS:
            raise TooLarge(f"reading referrers: more than {_MAX_MANIFESTS} manifests", limit=_MAX_MANIFESTS)
        manifest = _read(files, entry)
        if manifest is None:
            continue
        # An entry of an index has no name of its own.
        queue += (replace(one, annotations={}) for one in manifest.manifests)
        if _add(found, manifest, tag):
            kept += len(manifest.raw)
            if kept > _MAX_BYTES:
                raise TooLarge(f"reading referrers: more than {_MAX_BYTES} bytes", limit=_MAX_BYTES)
    return found


def _read(files: LayoutFiles, entry: Descriptor) -> Manifest | None:
    try:
        raw = files.content(f"blobs/{digest_name(entry.digest)}", MANIFEST_LIMIT)
        return Manifest.parse(raw, content_type=entry.media_type, expected=entry.digest)
    except (NotFound, InvalidContent, Unsupported):
        return None


def _add(found: LayoutReferrers, manifest: Manifest, tag: str) -> bool:
    """Add a manifest if it is a referrer or an index of some; return whether it was added."""
    try:
        subject, kind, annotations = manifest.subject, artifact_type(manifest), manifest.annotations
    except InvalidContent:
        return False
    descriptor = replace(manifest.descriptor, annotations=annotations, artifact_type=kind)
    added = subject is not None
    if subject is not None:
        found.by_subject.setdefault(subject.digest, {})[manifest.digest] = Referrer(descriptor, kind, "subject")
    algorithm, dash, rest = tag.partition("-")
    if dash and algorithm.isalnum() and rest.endswith(tuple(f".{suffix}" for suffix in COSIGN_SUFFIXES)):
        found.cosign[tag] = Referrer(descriptor, kind, "cosign tag", tag)
        added = True
    elif dash and algorithm.isalnum() and manifest.is_index:
        found.by_tag[tag] = manifest.manifests
        added = True
    return added
