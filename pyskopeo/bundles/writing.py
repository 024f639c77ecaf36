"""Write a bundle: one OCI archive, or one for each part, the same bytes for the same contents."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import DestinationRefused, InvalidContent, InvalidInput, TooLarge
from ..fast_dataclass import dataclass
from ..model.bundle import (
    MANIFEST_FILE,
    PART_FILE,
    SIGNATURE_PREFIX,
    BundleContents,
    BundlePart,
    BundlePiece,
    bundle_manifest,
)
from ..model.digest import Digest, new_hasher
from ..model.layout import INDEX_FILE, LAYOUT_CONTENT, LAYOUT_FILE
from ..storage.archive_output import check_output, is_written_directly, open_output
from ..storage.files import digest_name, is_plain_tar, storage_errors
from ..storage.part_files import MIN_KEPT
from ..storage.partial_files import write_atomically
from ..storage.tar import TarIndex, TarWriter
from ..storage.tar_headers import MOST_MEMBERS
from ..streams.cancellation import check_cancelled
from ..streams.pump import FileReader, thread_buffer
from .packing import END, PackedRange, blob_name, member_size, pack, piece_name
from .part_names import existing_parts, manifest_path, part_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..model.manifest import Manifest
    from ..model.signature import Signature

_MODE = 0o644
_FEW = 10  # members besides: directories, the description of a part
_FOLDERS = ("blobs", "pieces")


@dataclass(frozen=True, slots=True)
class WrittenBundle:
    """A bundle that was written: its ``digest``, its files, and their sizes in bytes.

    ``manifest_file`` is the small file that stands for it, None where the bundle went to a stream. ``signatures`` is
    the number of its signatures.
    """

    digest: Digest
    contents: BundleContents
    files: tuple[Path, ...]
    sizes: tuple[int, ...]
    manifest_file: Path | None
    signatures: int = 0


class BundleWriter:
    """Writes the bundle with ``contents`` from the layout ``root`` to ``output``, in parts of at most ``max_size``.

    The files of the layout are removed when they are in the bundle, to save space on the disk; with ``keep`` what is
    there of a file stays after an error, since its blobs are nowhere else then.
    """

    def __init__(
        self, root: Path, contents: BundleContents, output: Path, max_size: int | None, *, keep: bool
    ) -> None:  # fmt: skip
        self._root, self._contents, self._output, self._limit = root, contents, output, max_size
        self._keep = keep
        self._raw = contents.to_bytes()
        try:
            BundleContents.parse(self._raw, str(output))
        except TooLarge as error:
            raise InvalidInput(f"{error}: there are too many images for one bundle, divide the list") from None
        self.manifest: Manifest = bundle_manifest(self._raw)

    def write(self, signatures: Sequence[Signature]) -> WrittenBundle:
        """Write the bundle, its parts one after another; for a worker thread.

        Raises `InvalidInput` for parts that would be too small, `DestinationRefused` where something else is in the
        way, `StorageFailed` and `Cancelled`.
        """
        metadata = self._metadata(signatures)
        folders = len({digest.algorithm for digest in self._contents.blobs}) + 1
        fixed = sum(member_size(name, len(raw)) for name, raw in metadata.items()) + len(_FOLDERS) * folders * 512 + END
        parts = pack(self._contents.blobs, fixed, self._limit)
        if any(len(part) + len(metadata) + _FEW > MOST_MEMBERS for part in parts):
            raise InvalidInput(f"{self._output}: too many blobs for one file: divide it, with --max-size")
        files = self._files(len(parts))
        # Pieces of one blob are in several parts: it is removed after the last of them.
        last = {one.digest: number for number, part in enumerate(parts) for one in part}
        sizes = []
        for number, (path, part) in enumerate(zip(files, parts, strict=True)):
            description = dict(metadata)
            if len(parts) > 1:
                description[PART_FILE] = self._describe(number + 1, len(parts), part).to_bytes()
            done = {digest for digest, until in last.items() if until == number}
            sizes.append(self._write_file(path, description, part, done))
        manifest_file = None
        if not is_written_directly(self._output):
            manifest_file = manifest_path(self._output)
            write_atomically(manifest_file, self._raw)
        return WrittenBundle(
            self.manifest.digest, self._contents, tuple(files), tuple(sizes), manifest_file, len(signatures)
        )

    def _metadata(self, signatures: Sequence[Signature]) -> dict[str, bytes]:
        """Return the small files that every part has, by their names in the order in which they are written."""
        layer = self.manifest.layers[0]
        return {
            LAYOUT_FILE: LAYOUT_CONTENT,
            INDEX_FILE: self._contents.index().raw,
            MANIFEST_FILE: self.manifest.raw,
            **{f"{SIGNATURE_PREFIX}{number}": one.to_bytes() for number, one in enumerate(signatures, 1)},
            blob_name(layer.digest): self._raw,
        }

    def _files(self, count: int) -> list[Path]:
        """Return the files to write; raises `DestinationRefused` for older ones that would be taken for parts."""
        there = existing_parts(self._output) if not is_written_directly(self._output) else []
        files = [self._output] if count == 1 else [part_path(self._output, number + 1) for number in range(count)]
        wrong = [path for path in there if path not in files]
        if count > 1 and self._output.exists():
            wrong = [self._output, *wrong]
        if wrong:
            raise DestinationRefused(
                f"{wrong[0]} is there, of an earlier bundle, and would be taken for a file of the new one: remove it, "
                "or give another name by -o"
            )
        for path in files:
            check_replaceable(path)
        return files

    def _describe(self, number: int, count: int, part: Sequence[PackedRange]) -> BundlePart:
        pieces = [
            BundlePiece(one.digest, one.offset, one.size, self._hash(one)) for one in part if not one.whole
        ]  # fmt: skip
        return BundlePart(self.manifest.digest, number, count, tuple(pieces))

    def _hash(self, piece: PackedRange) -> Digest:
        path, hasher, buffer = self._path(piece.digest), new_hasher("sha256"), thread_buffer()
        with storage_errors(f"reading {path}"):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            reader = FileReader(fd, path, piece.offset, piece.size)
            while count := reader.readinto(buffer):
                hasher.update(buffer[:count])
                check_cancelled()
        finally:
            os.close(fd)
        return Digest("sha256", hasher.hexdigest())

    def _write_file(
        self, path: Path, metadata: Mapping[str, bytes], part: Sequence[PackedRange], done: set[Digest]
    ) -> int:
        """Write one archive; returns its size. ``done`` are the blobs to remove then from the layout."""
        archive: TarWriter | None = None

        def is_worth_keeping() -> bool:
            return archive is not None and archive.position >= MIN_KEPT

        with open_output(path, replace=True, keep=is_worth_keeping if self._keep else None) as (fd, shown):
            archive = TarWriter.to(fd, shown, out_of_order=not is_written_directly(path))
            names = [*metadata, *(blob_name(one.digest) if one.whole else piece_name(one.digest) for one in part)]
            for folder in sorted({parent for name in names for parent in _parents(name)}):
                archive.add_directory(folder)
            for name, raw in metadata.items():
                archive.add_bytes(name, raw, _MODE)
            for one in part:
                source = self._path(one.digest)
                if one.whole:
                    archive.add_file(blob_name(one.digest), source, one.size, _MODE)
                else:
                    archive.add_range(piece_name(one.digest), source, one.offset, one.size, _MODE)
                if one.digest in done and one.whole:
                    source.unlink()
            archive.finish()
        return archive.position

    def _path(self, digest: Digest) -> Path:
        return self._root / "blobs" / digest_name(digest)


def check_replaceable(path: Path) -> None:
    """Raise `DestinationRefused` for a file at ``path`` that is no OCI archive, and what `check_output` raises."""
    check_output(path, replace=True)
    if is_written_directly(path) or not path.exists() or not path.stat().st_size:
        return
    try:
        known = is_plain_tar(path) and INDEX_FILE in TarIndex.read(path, incomplete=True)
    except InvalidContent:
        known = False
    if not known:
        raise DestinationRefused(f"{path} is there and is no bundle: remove it first, or write to another file")


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
