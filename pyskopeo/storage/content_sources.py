"""Places that manifests and blobs can be taken from by their digests: images anywhere, and files."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, InvalidDigest, NotFound, PyskopeoError, StorageFailed, Unsupported
from ..model.blob_index import LIMIT, parse_blob_index
from ..model.descriptor import UNKNOWN_SIZE
from ..model.digest import Digest, new_hasher
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.locations import LocalFile
from ..streams.pump import FileReader, thread_buffer
from .files import is_link, is_there, open_regular, read_bounded, storage_errors
from .oci_layout import located_blob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
    from ..streams.pump import Blob


class ContentSource(ABC):
    """A place that may have some of the content that is wanted; ``name`` is for messages.

    What it returns is not verified: whoever stores a blob verifies it.
    """

    name: str

    @abstractmethod
    async def manifest(self, descriptor: Descriptor) -> Manifest:
        """Return a manifest, verified by its digest; the size of ``descriptor`` may be unknown. Raises `NotFound`."""

    @abstractmethod
    async def blobs(self, descriptor: Descriptor) -> list[Blob]:
        """Return what may be the blob, to be tried in this order; nothing, if it is known not to be there."""


class ImageContent(ContentSource):
    """Whatever the place of an image has: a layout, an archive, a directory, or a repository of a registry.

    ``local`` is whether it is on this machine, where it can be seen what is there.
    """

    def __init__(self, name: str, source: ImageSource, *, local: bool) -> None:
        self.name, self._source, self._local = name, source, local

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        return await self._source.manifest(descriptor)

    async def blobs(self, descriptor: Descriptor) -> list[Blob]:
        blob = self._source.blob(descriptor)
        files = [location for location in blob.locations if isinstance(location, LocalFile)]
        return [] if self._local and not any(is_link(file.path) or is_there(file.path) for file in files) else [blob]


class BlobFiles(ContentSource):
    """Files that are blobs or manifests: ``named`` by a digest, or ``unnamed``, which are hashed to find one.

    An unnamed file is read only if a blob of its size is wanted, or a manifest of unknown size. ``is_index`` is whether
    a blob index names them.
    """

    def __init__(
        self, name: str, named: Mapping[Digest, Path], unnamed: Iterable[Path] = (), *, is_index: bool = False
    ) -> None:  # fmt: skip
        """Raises `NotFound` and `StorageFailed` for an unnamed file that is no regular file, or cannot be read."""
        self.name, self.is_index, self._named = name, is_index, named
        self._by_size: dict[int, list[Path]] = {}
        for path in unnamed:
            fd = open_regular(path)
            try:
                self._by_size.setdefault(os.fstat(fd).st_size, []).append(path)
            finally:
                os.close(fd)
        self._hashed: dict[tuple[Path, str], str] = {}

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        error: PyskopeoError | None = None
        for path in await self._paths(descriptor):
            try:
                raw = read_bounded(path, MANIFEST_LIMIT)
                return Manifest.parse(raw, content_type=descriptor.media_type, expected=descriptor.digest)
            except (NotFound, StorageFailed, InvalidContent, Unsupported) as failure:
                failure.args = (f"{path}: {failure}", *failure.args[1:])
                error = error or failure
        raise error or NotFound(f"{self.name}: there is no {descriptor.digest}")

    async def blobs(self, descriptor: Descriptor) -> list[Blob]:
        return [located_blob(descriptor, LocalFile(path)) for path in await self._paths(descriptor)]

    async def _paths(self, descriptor: Descriptor) -> list[Path]:
        named = self._named.get(descriptor.digest)
        found = [] if named is None else [named]
        if descriptor.size == UNKNOWN_SIZE:
            candidates = [path for size, paths in self._by_size.items() if size <= MANIFEST_LIMIT for path in paths]
        else:
            candidates = self._by_size.get(descriptor.size, [])
        if candidates:
            found += await run_in_thread(lambda: list(self._matching(candidates, descriptor.digest)))
        return found

    def _matching(self, candidates: Iterable[Path], wanted: Digest) -> Iterator[Path]:
        """Yield the files whose digest is ``wanted``; each is read once. Raises `StorageFailed`, `NotFound`."""
        for path in candidates:
            key = path, wanted.algorithm
            if key not in self._hashed:
                self._hashed[key] = hash_file(path, wanted.algorithm)[0].hex
            if self._hashed[key] == wanted.hex:
                yield path


def hash_file(path: Path, algorithm: str = "sha256") -> tuple[Digest, int]:
    """Return the digest and the size of a regular file; for a worker thread. Raises `NotFound`, `StorageFailed`."""
    fd = open_regular(path)
    try:
        hasher, buffer, size = new_hasher(algorithm), thread_buffer(), 0
        reader = FileReader(fd, path, 0, os.fstat(fd).st_size)
        while count := reader.readinto(buffer):
            hasher.update(buffer[:count])
            size += count
            check_cancelled()
    finally:
        os.close(fd)
    return Digest(algorithm, hasher.hexdigest()), size


def open_files(path: Path, base: Path) -> BlobFiles:
    """Return the content of a path: a blob index, a directory of blobs, or a file that is a blob or a manifest itself.

    A blob index is a file whose name ends with ``.json`` and which has a member "Blobs"; its relative paths are those
    of files below ``base``. In a directory, and in those below it, a file whose name is a digest is that blob if its
    content is right, and any other one may be whatever its content is. Raises `NotFound`, `StorageFailed` and
    `InvalidContent`.
    """
    if path.is_dir():
        named, unnamed = _sorted_out(path)
        return BlobFiles(str(path), named, unnamed)
    if path.suffix == ".json" and (raw := _small(path)) is not None and b'"Blobs"' in raw:
        index = parse_blob_index(raw, str(path))
        return BlobFiles(str(path), {digest: base / file for digest, file in index.items()}, is_index=True)
    return BlobFiles(str(path), {}, [path])


def _small(path: Path) -> bytes | None:
    """Return the content of a file that is small enough to be a blob index."""
    fd = open_regular(path)
    try:
        size = os.fstat(fd).st_size
    finally:
        os.close(fd)
    return read_bounded(path, LIMIT) if size <= LIMIT else None


def _sorted_out(root: Path) -> tuple[dict[Digest, Path], list[Path]]:
    """Return the files in a directory, and in those below it, by the digests that are their names, and the others."""
    named: dict[Digest, Path] = {}
    unnamed: list[Path] = []
    for path in sorted(regular_files(root)):
        try:
            digest = Digest.parse(f"{path.parent.name}:{path.name}" if ":" not in path.name else path.name)
        except InvalidDigest:
            digest = None
        if digest is not None and digest.verifiable and digest not in named:
            named[digest] = path
        else:
            unnamed.append(path)
    return named, unnamed


def regular_files(root: Path) -> Iterator[Path]:
    """Yield the regular files in a directory and in those below it, in any order.

    Symbolic links are followed, each directory once, so that a circle of links ends; what leads nowhere, and pipes,
    sockets and devices are passed over. Raises `StorageFailed` for a directory that cannot be read.
    """
    with storage_errors(f"reading {root}"):
        status = os.stat(root)
    seen, waiting = {(status.st_dev, status.st_ino)}, [root]
    while waiting:
        check_cancelled()
        directory = waiting.pop()
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    found = _status(entry)
                    if found is None:
                        continue
                    if stat.S_ISREG(found.st_mode):
                        yield Path(entry.path)
                    elif stat.S_ISDIR(found.st_mode) and (found.st_dev, found.st_ino) not in seen:
                        seen.add((found.st_dev, found.st_ino))
                        waiting.append(Path(entry.path))
        except OSError as error:
            raise StorageFailed.of(error, f"reading {directory}") from error


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None  # a symbolic link that leads nowhere, or in a circle
