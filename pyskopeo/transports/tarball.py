"""The ``tarball:`` transport: an image made from tar files, one per layer, the base layer first.

As in containers/image, ``tarball:file[:file...]``; read-only.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, unscoped
from ..errors import InvalidContent, InvalidName, NotFound, PathNotFound, Unsupported
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps
from ..gocompat.go_time import GoTime
from ..interfaces import ImageReference, ImageSource
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest, new_hasher
from ..model.manifest import Manifest
from ..model.platform import Platform
from ..storage.archive_output import is_stream
from ..storage.files import open_regular
from ..storage.oci_layout import located_blob
from ..storage.scratch import copy_layer, temporary_file
from ..storage.tar_fields import BLOCK, is_header
from ..streams.byte_streams import BlobReader
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.decompress import InflatingSink
from ..streams.locations import LocalFile
from ..streams.plain_content import InflatedTotal, PlainContent, default_inflated_limit
from ..streams.pump import Blob, FileReader, MemoryReader, thread_buffer

if TYPE_CHECKING:
    from ..access import Access

_UNSUPPORTED = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
_LONGEST_MAGIC = 6
_MEDIA_TYPES = {
    b"\x1f\x8b": mediatype.OCI_LAYER_GZIP,
    b"\x28\xb5\x2f\xfd": mediatype.OCI_LAYER_ZSTD,
}


class TarballReference(ImageReference):
    """The files to make an image from; ``-`` is standard input."""

    transport = "tarball"

    def __init__(self, details: str, paths: tuple[Path, ...]) -> None:
        super().__init__(details)
        self.paths = paths

    def subject(self) -> Subject:
        return unscoped("tarball")

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        """Read every file to compute its digests; pipes and standard input are copied to a temporary file."""
        return _open_source(self.paths, access)


def parse(details: str) -> TarballReference:
    """Parse paths that are separated by colons; raises `InvalidName`."""
    names = details.split(":")
    if not all(names):
        raise InvalidName(f"tarball:{details}: want tarball:file[:file...], and - for standard input")
    if names.count("-") > 1:
        raise InvalidName(f"tarball:{details}: standard input can be read only once")
    return TarballReference(details, tuple(map(Path, names)))


@dataclass(frozen=True, slots=True)
class _Layer:
    """A file as a layer; ``modified`` is its modification time in nanoseconds since 1970."""

    path: Path
    descriptor: Descriptor
    diff_id: Digest
    modified: int


class TarballSource(ImageSource):
    """The image: its layers are the files, its manifest and configuration are made as by skopeo."""

    synthesized = True

    def __init__(self, layers: tuple[_Layer, ...]) -> None:
        self._paths = {layer.descriptor.digest: layer.path for layer in layers}
        self._config = dumps(_config(layers)).encode()
        config = Descriptor(mediatype.OCI_CONFIG, Digest.of(self._config), len(self._config))
        document = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "config": _descriptor_json(config),
            "layers": [_descriptor_json(layer.descriptor) for layer in layers],
        }
        self._manifest = Manifest.parse(dumps(document).encode())

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        if descriptor is not None:
            raise Unsupported("tarball: makes a single image, not a list")
        return self._manifest

    def blob(self, descriptor: Descriptor) -> Blob:
        if self._manifest.config and descriptor.digest == self._manifest.config.digest:
            return Blob(descriptor, self._open_config)
        path = self._paths.get(descriptor.digest)
        if path is None:
            raise NotFound(f"tarball: no blob {descriptor.digest} in this image")
        return located_blob(descriptor, LocalFile(path))

    @asynccontextmanager
    async def _open_config(self, offset: int) -> AsyncIterator[BlobReader]:
        yield MemoryReader(self._config, offset)


def _descriptor_json(descriptor: Descriptor) -> dict[str, object]:
    """Return the JSON object of a descriptor, with the fields in the order of the specification's Go type."""
    return {
        "mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size,
    }  # fmt: skip


def _config(layers: tuple[_Layer, ...]) -> dict[str, object]:
    """Return the configuration, created when the newest file was modified.

    Times are in UTC so that the digest does not depend on the time zone.
    """
    history = [
        {
            "created": _time(layer.modified),
            "created_by": f"/bin/sh -c #(nop) ADD file:{layer.diff_id.hex} in /",
            "comment": "imported from tarball",
        }
        for layer in layers
    ]
    host = Platform.host()
    return {
        "created": _time(max(layer.modified for layer in layers)),
        "architecture": host.architecture,
        "os": host.os,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]},
        "history": history,
    }


def _time(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 10**9)
    return GoTime(1970, 1, 1, second=seconds, nanosecond=fraction).utc().rfc3339()


@asynccontextmanager
async def _open_source(paths: tuple[Path, ...], access: Access) -> AsyncIterator[ImageSource]:
    async with AsyncExitStack() as stack:
        layers = []
        limit = access.storage.max_inflated
        total = InflatedTotal(_inflated_limit(paths) if limit is None else limit)
        for path in paths:
            if is_stream(path):
                reading, modified = _LayerReading(path, total), time.time_ns()
                fill = partial(copy_layer, path, observe=reading.write)
                kept = await stack.enter_async_context(temporary_file("layer.tar", access.storage.scratch, fill))
                layers.append(reading.layer(kept, modified))
            else:
                layers.append(await run_in_thread(partial(_read_layer, path, total)))
        yield TarballSource(tuple(layers))


def _inflated_limit(paths: tuple[Path, ...]) -> int:
    """Return the default limit for decompressing the files; a stream is not counted, since its size is unknown."""
    return default_inflated_limit(sum(path.stat().st_size for path in paths if path.is_file()))


def _read_layer(path: Path, total: InflatedTotal) -> _Layer:
    """Read a file; for a worker thread."""
    try:
        fd = open_regular(path)
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    try:
        status = os.fstat(fd)
        reader = FileReader(fd, path, 0, status.st_size)
        reading, buffer = _LayerReading(path, total), thread_buffer()
        while count := reader.readinto(buffer):
            reading.write(buffer[:count])
            check_cancelled()
    finally:
        os.close(fd)
    return reading.layer(path, status.st_mtime_ns)


class _LayerReading:
    """Computes the digests of a layer that is written to it; ``name`` is the user's name of its file, for errors."""

    def __init__(self, name: Path, total: InflatedTotal) -> None:
        self._name = name
        self._head, self._size = b"", 0
        self._plain, self._hasher = _FirstBlock(), new_hasher("sha256")
        self._inflating = InflatingSink(self._plain, str(name), PlainContent(total=total))

    def write(self, buffer: memoryview) -> None:
        """Take the next bytes; raises `Unsupported`, `TooLarge`, and `InvalidContent` if it is no tar file."""
        if len(self._head) < _LONGEST_MAGIC:
            self._head += bytes(buffer[:_LONGEST_MAGIC])
            _check_compression(self._head, self._name)
        self._hasher.update(buffer)
        self._size += len(buffer)
        self._inflating.write(buffer)
        if self._plain.is_complete:
            self._plain.check(self._name)

    def layer(self, path: Path, modified: int) -> _Layer:
        """Return the layer, whose file is at ``path``, when all is written; raises `InvalidContent`."""
        self._inflating.finish()
        self._plain.check(self._name)
        known = (kind for magic, kind in _MEDIA_TYPES.items() if self._head.startswith(magic))
        descriptor = Descriptor(
            next(known, mediatype.OCI_LAYER), Digest("sha256", self._hasher.hexdigest()), self._size
        )
        return _Layer(path, descriptor, self._inflating.digest, modified)


def _check_compression(head: bytes, name: Path) -> None:
    for magic, kind in _UNSUPPORTED.items():
        if head.startswith(magic):
            raise Unsupported(f"{name} is compressed with {kind}, which no layer may be; decompress it first")


class _FirstBlock:
    """A sink that keeps the first block of the content."""

    def __init__(self) -> None:
        self._content = b""

    def write(self, buffer: memoryview) -> None:
        if len(self._content) < BLOCK:
            self._content += bytes(buffer[: BLOCK - len(self._content)])

    def restart(self) -> None:
        self._content = b""

    @property
    def is_complete(self) -> bool:
        return len(self._content) == BLOCK

    def check(self, name: Path) -> None:
        """Raise `InvalidContent` unless the block is a tar header, or zero, as in a tar file without entries."""
        block = self._content
        if len(block) == BLOCK and (not any(block) or is_header(block)):
            return
        raise InvalidContent(f"{name} is not a tar file: it does not begin with a tar header")
