"""What can be said of bundles (`model.bundle`): what is in them, what is wrong, how two differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..fast_dataclass import dataclass
from .bundle import BundleContents, bundled_name
from .descriptor import Descriptor
from .digest import Digest


@dataclass(frozen=True, slots=True)
class BundleSummary:
    """A bundle: its ``digest``, the ``files`` of it that were given, and its contents.

    ``parts`` is the number of its files, of which ``missing_parts``, by their numbers from 1, were not given.
    ``signatures`` is the number of its signatures, none of which was verified.
    """

    digest: Digest
    files: tuple[str, ...]
    contents: BundleContents
    parts: int = 1
    missing_parts: tuple[int, ...] = ()
    signatures: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``bundle ls --json`` prints."""
        contents = self.contents
        return {
            "digest": str(self.digest), "files": list(self.files), "parts": self.parts,
            "missingParts": list(self.missing_parts), "signatures": self.signatures,
            "bases": [str(base) for base in contents.bases],
            "images": [{"name": bundled_name(entry), **entry.brief_json()} for entry in contents.images],
            "referrers": len(contents.referrers),
            "blobs": len(contents.blobs), "size": contents.size,
            "leftOut": len(contents.left_out), "leftOutSize": contents.left_out_size,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class BundleFault:
    """Something that is wrong with a bundle: in which ``file``, with what, "" for no blob, and for which image."""

    file: str
    digest: str
    message: str
    image: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``bundle verify --json`` prints."""
        return {"file": self.file, "digest": self.digest, "image": self.image, "error": self.message}


@dataclass(frozen=True, slots=True)
class BundleVerification:
    """The result of verifying a bundle: the number of ``blobs`` that were read, and their size in bytes."""

    bundle: BundleSummary
    blobs: int
    size: int
    faults: tuple[BundleFault, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with what was given; parts may be missing."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``bundle verify --json`` prints."""
        return {
            "digest": str(self.bundle.digest), "files": list(self.bundle.files), "ok": self.ok,
            "parts": self.bundle.parts, "missingParts": list(self.bundle.missing_parts),
            "bases": [str(base) for base in self.bundle.contents.bases],
            "blobs": self.blobs, "size": self.size, "faults": [fault.to_json() for fault in self.faults],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChangedImage:
    """An image that two bundles have by one name, with different digests."""

    name: str
    old: Digest
    new: Digest


@dataclass(frozen=True, slots=True)
class BundleDifference:
    """How a ``new`` bundle differs from an ``old`` one, by their digests.

    ``new_blobs`` and ``new_size`` are the number and size in bytes of the blobs that the images of the new one need and
    that neither the old one nor its bases have; ``dropped_size`` is the size of those that are needed no more.
    """

    old: Digest
    new: Digest
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangedImage, ...]
    unchanged: int
    new_blobs: int
    new_size: int
    dropped_blobs: int
    dropped_size: int

    @classmethod
    def of(cls, old: tuple[Digest, BundleContents], new: tuple[Digest, BundleContents]) -> BundleDifference:
        """Compare two bundles, given by their digests and contents."""
        (old_digest, before), (new_digest, after) = old, new
        olds, news = _by_name(before.images), _by_name(after.images)
        both = sorted(olds.keys() & news.keys())
        changed = tuple(ChangedImage(name, olds[name], news[name]) for name in both if olds[name] != news[name])
        appeared = [blob.size for digest, blob in after.known.items() if digest not in before.known]
        dropped = [blob.size for digest, blob in before.known.items() if digest not in after.known]
        return cls(
            old_digest, new_digest, tuple(sorted(news.keys() - olds.keys())), tuple(sorted(olds.keys() - news.keys())),
            changed, len(both) - len(changed), len(appeared), sum(appeared), len(dropped), sum(dropped),
        )  # fmt: skip

    @property
    def differs(self) -> bool:
        """Whether the bundles have different images."""
        return bool(self.added or self.removed or self.changed)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``bundle diff --json`` prints."""
        return {
            "old": str(self.old), "new": str(self.new), "added": list(self.added), "removed": list(self.removed),
            "changed": [{"name": one.name, "old": str(one.old), "new": str(one.new)} for one in self.changed],
            "unchanged": self.unchanged, "newBlobs": self.new_blobs, "newSize": self.new_size,
            "droppedBlobs": self.dropped_blobs, "droppedSize": self.dropped_size,
        }  # fmt: skip


def _by_name(images: Iterable[Descriptor]) -> Mapping[str, Digest]:
    return {bundled_name(entry): entry.digest for entry in images}
