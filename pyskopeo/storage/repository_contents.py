"""What the manifests of one repository lead to: which content belongs to it, and what refers to what."""

from __future__ import annotations

from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, StorageFailed, TooLarge, Unsupported
from ..fast_dataclass import dataclass, replace
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.cancellation import check_cancelled
from .files import digest_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .layout_content import LayoutFiles

# The number of manifests and blobs that one repository may lead to, and the bytes of all descriptors of referrers.
_MAX_CONTENT, _MAX_REFERRERS = 2_000_000, 64 * 1024 * 1024


@dataclass(slots=True)
class RepositoryContents:
    """The ``manifests`` of a repository with their media types, its ``blobs``, and the ``referrers`` by subject.

    Referrers are the descriptors that the referrers API lists: with their artifact types and annotations. ``unread``
    are entries that were added since, with their media types.
    """

    manifests: dict[Digest, str] = field(default_factory=dict)
    blobs: set[Digest] = field(default_factory=set)
    referrers: dict[Digest, dict[Digest, Descriptor]] = field(default_factory=dict)
    unread: dict[Digest, str] = field(default_factory=dict)
    _size: int = 0

    @classmethod
    def read(cls, files: LayoutFiles, roots: Iterable[tuple[Digest, str]]) -> RepositoryContents:
        """Read the manifests that entries lead to, given with their media types; for a worker thread.

        What is missing or no manifest leads nowhere. Raises `TooLarge`, `StorageFailed` and `Cancelled`.
        """
        found = cls()
        queue = deque(roots)
        while queue:
            check_cancelled()
            digest, media_type = queue.popleft()
            if digest in found.manifests:
                continue
            manifest = _read(files, digest, media_type)
            if manifest is None:
                found.blobs.add(digest)
                continue
            queue += found.add(manifest, media_type)
        return found

    def add(self, manifest: Manifest, media_type: str = "") -> list[tuple[Digest, str]]:
        """Add a manifest; return the entries of an index, which are to be added too. Raises `TooLarge`."""
        self.manifests[manifest.digest] = media_type or manifest.media_type
        self.blobs.update(one.digest for one in manifest.layers)
        if manifest.config is not None:
            self.blobs.add(manifest.config.digest)
        self._check_size()
        if b'"subject"' in manifest.raw:
            self._add_referrer(manifest)
        return [(one.digest, one.media_type) for one in manifest.manifests]

    def merge(self, other: RepositoryContents, roots: Iterable[tuple[Digest, str]]) -> None:
        """Add what ``roots`` lead to, which are not unread then. Raises `TooLarge`."""
        self.manifests |= other.manifests
        self.blobs |= other.blobs
        self._check_size()
        for subject, found in other.referrers.items():
            self.referrers.setdefault(subject, {}).update(found)
        self._size += other._size
        for digest, _ in roots:
            self.unread.pop(digest, None)

    def _add_referrer(self, manifest: Manifest) -> None:
        try:
            subject, annotations = manifest.subject, manifest.annotations
        except InvalidContent:
            return
        if subject is None:
            return
        self._size += sum(len(key) + len(value) for key, value in annotations.items())
        if self._size > _MAX_REFERRERS:
            raise TooLarge(f"the annotations of referrers have over {_MAX_REFERRERS} bytes", limit=_MAX_REFERRERS)
        descriptor = replace(
            manifest.descriptor, platform=None, annotations=annotations, artifact_type=manifest.artifact_type
        )
        self.referrers.setdefault(subject.digest, {})[manifest.digest] = descriptor

    def _check_size(self) -> None:
        if len(self.manifests) + len(self.blobs) > _MAX_CONTENT:
            raise TooLarge(f"a repository has more than {_MAX_CONTENT} manifests and blobs", limit=_MAX_CONTENT)

    def __contains__(self, digest: object) -> bool:
        return digest in self.manifests or digest in self.blobs


def _read(files: LayoutFiles, digest: Digest, media_type: str) -> Manifest | None:
    """Read a manifest; None for what is missing, damaged or something else."""
    try:
        raw = files.content(f"blobs/{digest_name(digest)}", MANIFEST_LIMIT)
        return Manifest.parse(raw, content_type=media_type, expected=digest)
    except (NotFound, InvalidContent, Unsupported):
        return None
    except StorageFailed as error:
        if error.errno is None:
            return None
        raise
