"""The contents of a bundle: an OCI archive of many images for machines without a network (docs/reference/formats.md).

No I/O. The contents say which images and blobs there are, and which blobs were left out since an earlier bundle has
them. The digest of a bundle is that of the artifact manifest whose only layer they are: it is what signatures are for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent, InvalidName, prefix_errors
from ..fast_dataclass import dataclass
from .artifact import artifact_manifest
from .descriptor import Descriptor, platform_json
from .digest import Digest
from .layout import CONTAINERD_NAME, INDEX_LIMIT, REF_NAME, LayoutIndex, is_name
from .manifest import Manifest
from .reference import Reference
from .referrer import belongs_to_image
from .strict_json import parse_object

VERSION = 1
ARTIFACT_TYPE = "application/vnd.pyskopeo.bundle.v1+json"
CONTENTS_TYPE = "application/vnd.pyskopeo.bundle.contents.v1+json"
MANIFEST_FILE = "bundle.json"
PART_FILE = "bundle.part.json"
SIGNATURE_PREFIX = "bundle.signature-"
CONTENTS_LIMIT = INDEX_LIMIT
"""The maximum size in bytes of the contents of a bundle."""
MOST_PARTS = 999
_VERSION_KEY = "bundleVersion"
_LARGEST = 2**63 - 1
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class BundledBlob:
    """A blob or manifest: its size in bytes, and the name of an image that needs it, the first of the bundle."""

    size: int
    image: str


@dataclass(frozen=True, slots=True)
class BundleContents:
    """What is in a bundle.

    ``images`` are named in full, ``HOST/REPOSITORY:TAG`` or with a digest; ``referrers`` are entries for what refers to
    them, as in a layout: by the names of the tag schema and of cosign. ``blobs`` are all blobs and manifests that the
    bundle has, in the order in which they are written; ``left_out`` are those that its images need and one of ``bases``
    has, the digests of earlier bundles.
    """

    images: tuple[Descriptor, ...]
    blobs: Mapping[Digest, BundledBlob]
    left_out: Mapping[Digest, BundledBlob]
    bases: tuple[Digest, ...] = ()
    referrers: tuple[Descriptor, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, where: str) -> BundleContents:
        """Parse the contents; ``where`` names them in errors. Raises `InvalidContent` and `TooLarge`."""
        document = parse_object(raw, where, CONTENTS_LIMIT)
        check_version(document.get(_VERSION_KEY), where)
        with prefix_errors(where):
            bases = document.get("bases")
            if not isinstance(bases, list):
                raise InvalidContent("bases is not a list")
            found = cls(
                _parse_entries(document.get("images"), "images"),
                _parse_blobs(document.get("blobs"), "blobs"),
                _parse_blobs(document.get("leftOut"), "leftOut"),
                tuple(map(Digest.parse, bases)),
                _parse_entries(document.get("referrers"), "referrers"),
            )
            found.check()
        return found

    def check(self) -> None:
        """Raise `InvalidContent` for names that are invalid or not distinct, and for entries without content."""
        names = [entry.annotations.get(REF_NAME, "") for entry in self.entries]
        for number, name in enumerate(names):
            if not is_bundled_name(name) or _is_tag(name) != (number >= len(self.images)):
                raise InvalidContent(f"images: {ascii(name)[:200]} is no full name of an image")
        if len(set(names)) != len(names):
            raise InvalidContent("images: two have the same name")
        for name, entry in zip(names, self.entries, strict=True):
            if entry.digest not in self.blobs:
                raise InvalidContent(f"images: {name}: its manifest {entry.digest} is not in the bundle")
        if both := self.blobs.keys() & self.left_out.keys():
            raise InvalidContent(f"{min(both, key=str)} is in the bundle and left out")
        if self.left_out and not self.bases:
            raise InvalidContent("blobs are left out, and no base has them")

    def to_bytes(self) -> bytes:
        """Return the contents as they are written: one line for each image and blob, the same for the same contents."""
        lists: dict[str, list[Any]] = {
            "images": [_entry_json(entry) for entry in self.images],
            "referrers": [_entry_json(entry) for entry in self.referrers],
            "bases": [str(base) for base in self.bases],
        }
        lines = [f' "{_VERSION_KEY}": {VERSION}']
        for name, values in lists.items():
            inner = ",\n".join(f"  {_dumps(value)}" for value in values)
            lines.append(f' "{name}": [\n{inner}\n ]' if inner else f' "{name}": []')
        for name, blobs in (("blobs", self.blobs), ("leftOut", self.left_out)):
            inner = ",\n".join(
                f'  "{digest}": {_dumps({"size": blob.size, "image": blob.image})}' for digest, blob in blobs.items()
            )
            lines.append(f' "{name}": {{\n{inner}\n }}' if inner else f' "{name}": {{}}')
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")

    @property
    def entries(self) -> tuple[Descriptor, ...]:
        """The images, and what refers to them."""
        return (*self.images, *self.referrers)

    @property
    def known(self) -> Mapping[Digest, BundledBlob]:
        """All blobs that a target has after the bundle and its bases were applied to it."""
        return {**self.left_out, **self.blobs}

    @property
    def size(self) -> int:
        """The size in bytes of the blobs in the bundle."""
        return sum(blob.size for blob in self.blobs.values())

    @property
    def left_out_size(self) -> int:
        """The size in bytes of the blobs that were left out."""
        return sum(blob.size for blob in self.left_out.values())

    def index(self, *, referrers: bool = False) -> LayoutIndex:
        """Return the ``index.json`` of the bundle, or one that also has the entries of ``referrers``.

        Programs that take everything there for an image, such as ``ctr``, would refuse the bundle for these.
        """
        entries = self.entries if referrers else self.images
        return LayoutIndex.empty().replaced_by([_entry_json(entry) for entry in entries])

    def describe_bases(self) -> str:
        """Return the bases for a message, shortened."""
        shown = ", ".join(str(base) for base in self.bases[:_SHOWN])
        more = len(self.bases) - _SHOWN
        return f"{shown} and {more} more" if more > 0 else shown


@dataclass(frozen=True, slots=True)
class BundlePiece:
    """A range of a blob that is larger than a part: ``size`` bytes from ``offset``, whose own digest is ``digest``."""

    blob: Digest
    offset: int
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class BundlePart:
    """Part ``number``, from 1, of the ``count`` parts of a ``bundle``, with the pieces of blobs in it."""

    bundle: Digest
    number: int
    count: int
    pieces: tuple[BundlePiece, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, where: str) -> BundlePart:
        """Parse the description of a part; ``where`` names it in errors. Raises `InvalidContent` and `TooLarge`."""
        document = parse_object(raw, where)
        check_version(document.get(_VERSION_KEY), where)
        with prefix_errors(where):
            number, count = (_number(document.get(name), name, MOST_PARTS) for name in ("part", "parts"))
            pieces = document.get("pieces")
            if not isinstance(pieces, list) or not 1 <= number <= count:
                raise InvalidContent("want part, parts and pieces")
            return cls(Digest.parse(document.get("bundle")), number, count, tuple(map(_parse_piece, pieces)))

    def to_bytes(self) -> bytes:
        """Return the description as it is written."""
        pieces = [
            {"blob": str(one.blob), "offset": one.offset, "size": one.size, "digest": str(one.digest)}
            for one in self.pieces
        ]
        document = {
            _VERSION_KEY: VERSION, "bundle": str(self.bundle), "part": self.number, "parts": self.count,
            "pieces": pieces,
        }  # fmt: skip
        return (_dumps(document) + "\n").encode("ascii")


def contents_descriptor(raw: bytes) -> Descriptor:
    """Return the descriptor of contents, the layer of a bundle's manifest."""
    return Descriptor(CONTENTS_TYPE, Digest.of(raw), len(raw))


def bundle_manifest(raw: bytes) -> Manifest:
    """Return the manifest of the bundle with these contents, whose digest is that of the bundle."""
    return artifact_manifest(None, ARTIFACT_TYPE, (contents_descriptor(raw),), {})


def check_version(version: object, where: str) -> None:
    """Raise `InvalidContent` for what is no bundle, or one of another version."""
    if type(version) is not int:
        raise InvalidContent(f"{where}: this is no bundle")
    if version != VERSION:
        shown = str(version)[:20]
        raise InvalidContent(f"{where}: version {shown} of bundles is not known, want {VERSION}: update pyskopeo")


def bundled_name(entry: Descriptor) -> str:
    """Return the name of an entry of a bundle, which `BundleContents.check` has found valid."""
    return entry.annotations[REF_NAME]


def is_bundled_name(name: str) -> bool:
    """Return whether a name may be that of an entry: a full reference, or a tag that belongs to an image."""
    if not is_name(name):
        return False
    if _is_tag(name):
        return True
    try:
        reference = Reference.parse(name, default_tag="")
    except InvalidName:
        return False
    return str(reference) == name and bool(reference.manifest_name)


def named_entry(entry: Descriptor, name: str) -> Descriptor:
    """Return the entry of an image with its ``name`` in both annotations: that of OCI layouts, and containerd's."""
    annotations = {CONTAINERD_NAME: name, REF_NAME: name}
    return Descriptor(entry.media_type, entry.digest, entry.size, entry.platform, annotations)


def _is_tag(name: str) -> bool:
    """Return whether a name is a tag of what refers to an image."""
    return "/" not in name and belongs_to_image(name)


def _parse_entries(value: object, where: str) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        raise InvalidContent(f"{where} is not a list")
    return tuple(Descriptor.from_json(one, f"{where}[{n}]") for n, one in enumerate(value))


def _entry_json(entry: Descriptor) -> dict[str, Any]:
    value: dict[str, Any] = {
        "mediaType": entry.media_type, "digest": str(entry.digest), "size": entry.size,
        "annotations": dict(sorted(entry.annotations.items())),
    }  # fmt: skip
    return value if entry.platform is None else value | {"platform": platform_json(entry.platform)}


def _parse_blobs(value: object, where: str) -> dict[Digest, BundledBlob]:
    if not isinstance(value, dict):
        raise InvalidContent(f"{where} is not an object")
    found: dict[Digest, BundledBlob] = {}
    for text, fields in value.items():
        digest = Digest.parse(text)
        if not digest.verifiable:
            raise InvalidContent(f"{where}: digest algorithm {digest.algorithm} is not supported")
        image = fields.get("image") if isinstance(fields, dict) else None
        if not isinstance(image, str) or not is_bundled_name(image):
            raise InvalidContent(f"{where}: {digest}: want size and image")
        found[digest] = BundledBlob(_number(fields.get("size"), f"{where}: {digest}: size"), image)
    return found


def _parse_piece(value: object) -> BundlePiece:
    if not isinstance(value, dict):
        raise InvalidContent("a piece is not an object")
    offset, size = (_number(value.get(name), f"{name} of a piece") for name in ("offset", "size"))
    return BundlePiece(Digest.parse(value.get("blob")), offset, size, Digest.parse(value.get("digest")))


def _number(value: object, what: str, largest: int = _LARGEST) -> int:
    if type(value) is not int or not 0 <= value <= largest:
        raise InvalidContent(f"{what} is not a number from 0 to {largest}: {ascii(value)[:40]}")
    return value


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
