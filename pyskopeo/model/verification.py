"""The results of verifying images and layouts, and their JSON. No I/O."""

from __future__ import annotations

from enum import Enum
from typing import Any

from ..errors import InvalidDigest
from ..fast_dataclass import dataclass
from .digest import Digest


class FaultKind(Enum):
    """What is wrong with content, or with a file of a layout.

    It is missing; cannot be read, or is no regular file; has another size or digest than its descriptor states; is
    other content than its media type says; violates its specification; has a digest that cannot be computed here; or is
    a layer that decompresses to another diff ID than the configuration states (OCI image specification, config.md).
    Or it is valid, and a program for which the layout should be would refuse it (`layout_profiles`).
    """

    MISSING = "missing"
    UNREADABLE = "unreadable"
    SIZE = "size"
    DIGEST = "digest"
    MEDIA_TYPE = "media-type"
    INVALID = "invalid"
    UNVERIFIABLE = "unverifiable"
    DIFF_ID = "diff-id"
    PROFILE = "profile"


REPAIRABLE = frozenset({FaultKind.MISSING, FaultKind.UNREADABLE, FaultKind.SIZE, FaultKind.DIGEST})
"""The faults of content that is right elsewhere; all others are in the content itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    ``what`` is ``manifest``, ``config``, ``layer``, ``blob``, or the name of a file such as ``index.json``. ``digest``
    and ``size``, in bytes, are those of its descriptor, None for other files. ``path`` is its file, relative to the
    layout or directory; "" in a registry. ``needed_by`` are names of images that need it, at most ten.
    """

    kind: FaultKind
    what: str
    message: str
    digest: Digest | None = None
    size: int | None = None
    media_type: str = ""
    path: str = ""
    needed_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``layout verify --json``."""
        return {
            "kind": self.kind.value,
            "what": self.what,
            "digest": None if self.digest is None else str(self.digest),
            "size": self.size,
            "mediaType": self.media_type,
            "path": self.path,
            "neededBy": list(self.needed_by),
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class UnneededFile:
    """A file that nothing needs: ``path`` is relative to the layout or directory, ``size`` in bytes.

    ``is_leftover`` is whether it is a temporary file, of a copy that is under way or was killed.
    """

    path: str
    size: int
    is_leftover: bool = False

    @property
    def is_blob(self) -> bool:
        """Whether it has the name of a blob of a layout."""
        directory, _, name = self.path.partition("/")
        algorithm, _, encoded = name.partition("/")
        try:
            Digest.parse(f"{algorithm}:{encoded}")
        except InvalidDigest:
            return False
        return directory == "blobs"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"path": self.path, "size": self.size, "leftover": self.is_leftover}


@dataclass(frozen=True, slots=True)
class Repair:
    """Content, or a file such as ``oci-layout``, that was put right.

    ``source`` is the image name it was fetched from, "" if nothing had to be fetched; ``size`` is in bytes.
    """

    what: str
    size: int
    source: str = ""
    digest: Digest | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        digest = None if self.digest is None else str(self.digest)
        return {"what": self.what, "digest": digest, "size": self.size, "source": self.source}


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The result of verifying an image, an archive or a layout, called ``name``.

    ``images`` is the number of image manifests, ``manifests`` that of all manifests and indexes, ``blobs`` that of
    configurations and layers, and ``size`` the bytes of all of them, as far as they were found. ``deep`` is whether
    layers were decompressed and compared with their diff IDs. ``faults`` are sorted by file and digest. ``unneeded``
    are files that nothing needs, which is no fault. ``absent`` are images of an index that are missing as a whole, and
    ``external`` blobs that are stored elsewhere, at the URLs in their descriptors, and ``left_out`` layers that are
    missing, all as far as that was accepted. ``repaired`` is what was put right, by `repair_layout` only, and
    ``offline`` what it would have had to request.
    """

    name: str
    images: int
    manifests: int
    blobs: int
    size: int
    deep: bool = False
    faults: tuple[Fault, ...] = ()
    unneeded: tuple[UnneededFile, ...] = ()
    absent: tuple[Digest, ...] = ()
    external: tuple[Digest, ...] = ()
    repaired: tuple[Repair, ...] = ()
    left_out: tuple[Digest, ...] = ()
    offline: tuple[Digest, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there are no faults."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``layout verify --json``."""
        return {
            "name": self.name,
            "ok": self.ok,
            "deep": self.deep,
            "images": self.images,
            "manifests": self.manifests,
            "blobs": self.blobs,
            "size": self.size,
            "faults": [fault.to_json() for fault in self.faults],
            "unneeded": [file.to_json() for file in self.unneeded],
            "absent": list(map(str, self.absent)),
            "external": list(map(str, self.external)),
            "leftOut": list(map(str, self.left_out)),
            "repaired": [repair.to_json() for repair in self.repaired],
        }


@dataclass(frozen=True, slots=True)
class GarbageReport:
    """What `collect_garbage` removed, or would remove in a dry run.

    ``kept`` are files that nothing needs and that were not removed, since they are no blobs, or belong to others.
    """

    removed: tuple[UnneededFile, ...] = ()
    kept: tuple[UnneededFile, ...] = ()
    dry_run: bool = False

    @property
    def size(self) -> int:
        """The size of the removed files in bytes."""
        return sum(file.size for file in self.removed)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``layout gc --json``."""
        return {
            "dryRun": self.dry_run,
            "size": self.size,
            "removed": [file.to_json() for file in self.removed],
            "kept": [file.to_json() for file in self.kept],
        }


@dataclass(frozen=True, slots=True)
class LayoutEntry:
    """An entry of a layout's ``index.json``.

    ``name`` is its reference name, or containerd's, "" if it has none. ``platforms`` are those of its images, as
    ``os/architecture[/variant]``. ``size`` is that of everything it needs, as stated and each blob once, in bytes; None
    if a manifest cannot be read: then ``problem`` says why.
    """

    name: str
    position: int
    digest: Digest
    media_type: str
    artifact_type: str = ""
    platforms: tuple[str, ...] = ()
    size: int | None = None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``layout ls --json``."""
        return {
            "name": self.name,
            "position": self.position,
            "digest": str(self.digest),
            "mediaType": self.media_type,
            "artifactType": self.artifact_type,
            "platforms": list(self.platforms),
            "size": self.size,
            "problem": self.problem,
        }
