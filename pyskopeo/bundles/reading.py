"""Read bundles: the files of each, its contents, and where the bytes of its blobs are. Nothing is unpacked.

What is read here is verified as far as it is small: the manifest of a bundle, and its contents by their digest. Blobs
are verified when they are read.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PathNotFound, prefix_errors
from ..fast_dataclass import dataclass
from ..model.bundle import (
    ARTIFACT_TYPE,
    CONTENTS_LIMIT,
    CONTENTS_TYPE,
    MANIFEST_FILE,
    PART_FILE,
    SIGNATURE_PREFIX,
    BundleContents,
    BundlePart,
    bundle_manifest,
)
from ..model.manifest import Manifest
from ..model.mediatype import OCI_MANIFEST
from ..model.signature import MAX_SIGNATURES, SIGNATURE_LIMIT, Signature
from ..model.strict_json import MANIFEST_LIMIT
from ..model.verifier import verifier_for
from ..storage.files import open_regular, read_bounded
from ..storage.oci_layout import located_blob
from ..storage.tar import TarIndex
from ..streams.inflaters import MAGIC, compression_of
from ..streams.pump import Blob
from .packing import blob_name, piece_name
from .pieces import Extent, open_extents

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..streams.locations import LocalFile

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a bundle: a whole bundle, or a ``part`` of one."""

    path: Path
    index: TarIndex
    manifest: Manifest
    part: BundlePart | None
    signatures: tuple[Signature, ...]

    @property
    def digest(self) -> Digest:
        """The digest of the bundle."""
        return self.manifest.digest


class OpenBundle:
    """A bundle with those of its ``files`` that were given, which have the same contents."""

    def __init__(self, files: Sequence[BundleFile], contents: BundleContents) -> None:
        self.files, self.contents = tuple(files), contents
        self.manifest, self.digest = files[0].manifest, files[0].digest
        self._where: dict[str, TarIndex] = {}
        for file in reversed(files):
            self._where.update(dict.fromkeys(file.index.names, file.index))
        self._pieces: dict[Digest, list[Extent]] | None = None

    @property
    def name(self) -> str:
        """The bundle in messages: its only file, or the first of its parts."""
        return str(self.files[0].path)

    @property
    def parts(self) -> int:
        """The number of its parts, 1 for a bundle in one file."""
        return 1 if self.files[0].part is None else self.files[0].part.count

    @property
    def missing_parts(self) -> tuple[int, ...]:
        """The numbers of the parts that were not given."""
        there = {1 if file.part is None else file.part.number for file in self.files}
        return tuple(number for number in range(1, self.parts + 1) if number not in there)

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """The signatures of the bundle, each once."""
        found: list[Signature] = []
        for file in self.files:
            found += [one for one in file.signatures if one not in found]
        return tuple(found)

    def check_complete(self) -> None:
        """Raise `InvalidContent` if a part was not given, or if a blob is not where the contents say."""
        if missing := self.missing_parts:
            shown = ", ".join(map(str, missing[:_SHOWN])) + (" and more" if len(missing) > _SHOWN else "")
            what = f"part {shown} of {self.parts} is" if len(missing) == 1 else f"parts {shown} of {self.parts} are"
            raise InvalidContent(f"{self.name}: bundle {self.digest}: {what} missing")
        for digest, blob in self.contents.blobs.items():
            if (found := self.locate(digest)) is None or sum(one.size for one in found) != blob.size:
                what = f"{digest}, which {blob.image} needs, is not in the bundle"
                raise InvalidContent(f"{self.name}: {what}: it was cut short, or altered")

    def locate(self, digest: Digest) -> Sequence[Extent] | None:
        """Return where the bytes of a blob are, in order; None if the files that were given have not all of it."""
        name = blob_name(digest)
        if (index := self._where.get(name)) is not None:
            found = index.locate(name)
            return (Extent(found.path, found.offset, found.size or 0),)
        if self._pieces is None:
            self._pieces = _pieces(self.files)
        blob = self.contents.blobs.get(digest)
        pieces = self._pieces.get(digest)
        if blob is None or pieces is None or sum(one.size for one in pieces) != blob.size:
            return None
        return pieces

    def blob(self, descriptor: Descriptor) -> Blob | None:
        """Return a blob of the bundle that is not opened yet, None if it is not in the files that were given."""
        found = self.locate(descriptor.digest)
        if found is None:
            return None
        if len(found) == 1:
            return located_blob(descriptor, found[0].location)
        return Blob(descriptor, partial(open_extents, tuple(found)))

    def content(self, digest: Digest, limit: int) -> bytes | None:
        """Return the bytes of a manifest, not verified; None if the bundle does not have it. Raises `TooLarge`."""
        name = blob_name(digest)
        index = self._where.get(name)
        return None if index is None else index.content(name, limit)


def open_bundles(paths: Sequence[Path]) -> list[OpenBundle]:
    """Open the bundles that files are, or are parts of; for a worker thread.

    Raises `PathNotFound`, `InvalidContent` for what is no bundle, damaged or of another version, `TooLarge`, and
    `StorageFailed`.
    """
    files = [read_file(path) for path in paths]
    by_digest: dict[Digest, list[BundleFile]] = {}
    for file in files:
        by_digest.setdefault(file.digest, []).append(file)
    return [_joined(found) for found in by_digest.values()]


def read_file(path: Path) -> BundleFile:
    """Read the headers and the small files of one file of a bundle; raises what `open_bundles` raises."""
    _check_plain(path)
    index = TarIndex.read(path)
    try:
        raw = index.content(MANIFEST_FILE, MANIFEST_LIMIT)
    except NotFound:
        raise InvalidContent(f"{path}: this archive is no bundle: bundle create makes one") from None
    with prefix_errors(str(path)):
        manifest = Manifest.parse(raw, content_type=OCI_MANIFEST)
        types = [layer.media_type for layer in manifest.layers]
        if manifest.document.get("artifactType") != ARTIFACT_TYPE or types != [CONTENTS_TYPE]:
            raise InvalidContent("it is a bundle of another version: update pyskopeo, or make it again")
    _raw_contents(index, manifest)
    part = None
    if PART_FILE in index:
        part = BundlePart.parse(index.content(PART_FILE, MANIFEST_LIMIT), f"{path}: {PART_FILE}")
        if part.bundle != manifest.digest:
            raise InvalidContent(f"{path} has the contents of another bundle than it is a part of, {part.bundle}")
    return BundleFile(path, index, manifest, part, _signatures(index, path))


def read_contents(path: Path) -> tuple[Digest, BundleContents]:
    """Return the digest and the contents of a bundle, by one of its files, or by the small file that stands for it.

    For a worker thread. Raises what `open_bundles` raises.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            start = file.read(1)
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    if start == b"{":
        raw = read_bounded(path, CONTENTS_LIMIT)
        try:
            return bundle_manifest(raw).digest, BundleContents.parse(raw, str(path))
        except InvalidContent as error:
            raise InvalidContent(f"{error} (want a bundle, or the file BUNDLE.manifest beside one)") from None
    found = read_file(path)
    return found.digest, BundleContents.parse(_raw_contents(found.index, found.manifest), str(path))


def _check_plain(path: Path) -> None:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            start = file.read(MAGIC)
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    if start.startswith(b"{"):
        raise InvalidContent(f"{path} is no archive: if it stands for a bundle, give the bundle itself")
    if found := compression_of(start):
        raise InvalidContent(f"{path} is compressed: decompress it first ({found} -d), since a bundle is read in place")


def _raw_contents(index: TarIndex, manifest: Manifest) -> bytes:
    """Return the contents of a bundle as bytes, verified; raises `InvalidContent` and `StorageFailed`."""
    layer = manifest.layers[0]
    try:
        raw = index.content(blob_name(layer.digest), CONTENTS_LIMIT)
    except NotFound as error:
        raise InvalidContent(str(error)) from None
    verifier = verifier_for(layer)
    with prefix_errors(str(index.name)):
        verifier.feed(raw)
        verifier.finish()
    return raw


def _signatures(index: TarIndex, path: Path) -> tuple[Signature, ...]:
    found: list[Signature] = []
    for number in range(1, MAX_SIGNATURES + 1):
        name = f"{SIGNATURE_PREFIX}{number}"
        if name not in index:
            break
        found.append(Signature.parse(index.content(name, SIGNATURE_LIMIT), f"{path}: {name}"))
        Signature.check_total(len(found), sum(len(one.content) for one in found), str(path))
    return tuple(found)


def _joined(files: list[BundleFile]) -> OpenBundle:
    """Return the bundle of files with one digest; of several copies of a part the first one counts."""
    counts = {None if file.part is None else file.part.count for file in files}
    if len(counts) > 1:
        both = f"{files[0].path} and {files[-1].path} have the same images"
        raise InvalidContent(f"{both}, in parts of different sizes: give the files of one run")
    by_number: dict[int, BundleFile] = {}
    for file in files:
        by_number.setdefault(1 if file.part is None else file.part.number, file)
    first = files[0]
    contents = BundleContents.parse(_raw_contents(first.index, first.manifest), str(first.path))
    return OpenBundle([by_number[number] for number in sorted(by_number)], contents)


def _pieces(files: Sequence[BundleFile]) -> dict[Digest, list[Extent]]:
    """Return the pieces of blobs, in their order, as long as there is none missing between them."""
    found: dict[Digest, list[tuple[int, LocalFile]]] = {}
    for file in files:
        for piece in () if file.part is None else file.part.pieces:
            name = piece_name(piece.blob)
            if name not in file.index:
                raise InvalidContent(f"{file.path}: a piece of {piece.blob} is missing")
            location = file.index.locate(name)
            if location.size != piece.size:
                raise InvalidContent(f"{file.path}: a piece of {piece.blob} has another size than it says")
            found.setdefault(piece.blob, []).append((piece.offset, location))
    joined: dict[Digest, list[Extent]] = {}
    for digest, pieces in found.items():
        position, extents = 0, []
        for offset, location in sorted(pieces, key=lambda one: one[0]):
            if offset != position:
                break
            extents.append(Extent(location.path, location.offset, location.size or 0))
            position += location.size or 0
        joined[digest] = extents
    return joined
