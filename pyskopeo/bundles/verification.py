"""Verify bundles: read every byte of the files that were given, and compare the images with what is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, PyskopeoError, StorageFailed
from ..fast_dataclass import dataclass
from ..model.bundle import bundled_name
from ..model.bundle_reports import BundleFault, BundleVerification
from ..model.descriptor import Descriptor
from ..model.digest import new_hasher
from ..model.layout import INDEX_FILE, INDEX_LIMIT
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..storage.files import storage_errors
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.pump import FileReader, thread_buffer
from .inspection import summarize
from .packing import blob_name, piece_name
from .part_names import find_files
from .reading import BundleFile, OpenBundle, open_bundles

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..streams.locations import LocalFile

_MOST_FAULTS = 10_000

Advance = Callable[[int, int], None]
"""Is called with the number of bytes that were read, and with that of all."""


def ignore_advance(done: int, total: int) -> None:
    """Discard what was read so far."""


async def verify_bundles(paths: Sequence[Path], *, advance: Advance = ignore_advance) -> list[BundleVerification]:
    """Read every blob in the files of bundles, and return what is wrong with each bundle.

    Parts are verified by themselves: that some were not given is no fault. Images are compared with the blobs that the
    bundle says it has, or was made without. Signatures are another matter: see `signed.check_bundle_signatures`. Raises
    `PathNotFound`, `InvalidContent` for what is no bundle, damaged so that its contents cannot be read, or of another
    version, `TooLarge` and `StorageFailed`.
    """
    bundles = await run_in_thread(lambda: open_bundles(find_files(paths)))
    return await run_in_thread(lambda: _Verification(bundles, advance).run())


@dataclass(frozen=True, slots=True)
class _Range:
    """What is here of a ``blob``: all, or a piece, in ``file``; its own digest is the ``expected`` one."""

    file: str
    blob: Digest
    expected: Digest
    locations: tuple[LocalFile, ...]
    size: int


class _Verification:
    """Verifies open bundles in a worker thread."""

    def __init__(self, bundles: Sequence[OpenBundle], advance: Advance) -> None:
        self._bundles, self._advance = bundles, advance
        self._done = self._total = 0

    def run(self) -> list[BundleVerification]:
        found = [(bundle, _all_ranges(bundle)) for bundle in self._bundles]
        self._total = sum(one.size for _, ranges in found for one in ranges)
        return [self._verify(bundle, ranges) for bundle, ranges in found]

    def _verify(self, bundle: OpenBundle, ranges: Sequence[_Range]) -> BundleVerification:
        faults = list(self._content_faults(bundle, ranges))
        for file in bundle.files:
            faults += _index_faults(bundle, file)
        if not bundle.missing_parts:
            faults += _missing_faults(bundle)
            if not faults:
                faults += _image_faults(bundle)
        size = sum(one.size for one in ranges)
        return BundleVerification(summarize(bundle), len(ranges), size, tuple(faults[:_MOST_FAULTS]))

    def _content_faults(self, bundle: OpenBundle, ranges: Sequence[_Range]) -> Iterator[BundleFault]:
        """Read all blobs, and the pieces of those that are not all here."""
        for one in ranges:
            try:
                self._compare(one)
            except (InvalidContent, StorageFailed) as error:
                yield BundleFault(one.file, str(one.blob), str(error), bundle.contents.blobs[one.blob].image)

    def _compare(self, one: _Range) -> None:
        """Raise `InvalidContent` unless what is there has the digest and the size that it should have."""
        hasher, buffer = new_hasher(one.expected.algorithm), thread_buffer()
        found = 0
        for location in one.locations:
            with storage_errors(f"reading {location.path}"):
                fd = os.open(location.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                reader = FileReader(fd, location.path, location.offset, location.size or 0)
                while count := reader.readinto(buffer):
                    check_cancelled()
                    hasher.update(buffer[:count])
                    found += count
                    self._done += count
                    self._advance(self._done, self._total)
            finally:
                os.close(fd)
        if found != one.size:
            raise InvalidContent(f"it has {found} bytes, and should have {one.size}")
        if hasher.hexdigest() != one.expected.hex:
            raise InvalidContent(f"its content has the digest {one.expected.algorithm}:{hasher.hexdigest()}")


def _all_ranges(bundle: OpenBundle) -> list[_Range]:
    """Return what the files have of the blobs of a bundle, in the order of the files, and then blobs in pieces."""
    blobs = bundle.contents.blobs
    names = {blob_name(digest): digest for digest in blobs}
    found: list[_Range] = []
    divided: dict[Digest, list[_Range]] = {}
    for file in bundle.files:
        for name in file.index.names:
            if (digest := names.get(name)) is not None:
                place = file.index.locate(name)
                found.append(_Range(str(file.path), digest, digest, (place,), blobs[digest].size))
        for piece in () if file.part is None else file.part.pieces:
            if piece.blob in blobs and (name := piece_name(piece.blob)) in file.index:
                one = _Range(str(file.path), piece.blob, piece.digest, (file.index.locate(name),), piece.size)
                divided.setdefault(piece.blob, []).append(one)
    for digest, pieces in divided.items():
        if (extents := bundle.locate(digest)) is None:
            found += pieces
        else:  # the digest of the whole is what counts
            where = tuple(one.location for one in extents)
            found.append(_Range(", ".join(one.file for one in pieces), digest, digest, where, blobs[digest].size))
    return found


def _index_faults(bundle: OpenBundle, file: BundleFile) -> Iterator[BundleFault]:
    """Yield a fault if other programs would find other images in a file."""
    try:
        same = file.index.content(INDEX_FILE, INDEX_LIMIT) == bundle.contents.index().raw
    except PyskopeoError:
        same = False
    if not same:
        yield BundleFault(str(file.path), "", f"{INDEX_FILE} names other images than the contents of the bundle")


def _missing_faults(bundle: OpenBundle) -> Iterator[BundleFault]:
    """Yield a fault for each blob that is in no file."""
    for digest, blob in bundle.contents.blobs.items():
        found = bundle.locate(digest)
        if found is None:
            yield BundleFault(bundle.name, str(digest), "it is missing in the bundle", blob.image)


def _image_faults(bundle: OpenBundle) -> Iterator[BundleFault]:
    """Yield a fault for each image that needs something which the bundle neither has nor was made without."""
    contents = bundle.contents
    for entry in contents.entries:
        name, waiting, seen = bundled_name(entry), [entry], set[object]()
        while waiting:
            check_cancelled()
            descriptor = waiting.pop()
            if descriptor.digest in seen or descriptor.digest not in contents.blobs:
                continue  # images of a list that were not selected
            seen.add(descriptor.digest)
            try:
                manifest = _manifest(bundle, descriptor)
            except PyskopeoError as error:
                if descriptor.is_manifest:
                    yield BundleFault(bundle.name, str(descriptor.digest), str(error), name)
                continue
            waiting += manifest.manifests
            for blob in () if manifest.is_index else manifest.blobs:
                known = contents.blobs.get(blob.digest) or contents.left_out.get(blob.digest)
                if known is None and not blob.urls:
                    yield BundleFault(bundle.name, str(blob.digest), "it is not among the contents of the bundle", name)
                elif known is not None and known.size != blob.size:
                    message = f"the image says it has {blob.size} bytes, the bundle {known.size}"
                    yield BundleFault(bundle.name, str(blob.digest), message, name)


def _manifest(bundle: OpenBundle, descriptor: Descriptor) -> Manifest:
    raw = bundle.content(descriptor.digest, MANIFEST_LIMIT)
    if raw is None:
        raise InvalidContent("it is missing in the bundle")
    return Manifest.parse(raw, content_type=descriptor.media_type, expected=descriptor.digest)
