"""Recompress layers while they are written to a sink: to gzip, zstd or a plain tar, on all processors.

A layer is cut into blocks of a fixed size that are compressed independently: for gzip into deflate blocks that use the
last 32 KiB of the block before as a dictionary and end at a byte boundary, all in one member (RFC 1951, RFC 1952); for
zstd into one frame each (RFC 8878, section 3.1: frames may be concatenated). The output therefore depends only on the
content, the format, the level and the version of the library (zlib, which may be zlib-ng; zstd), not on the number of
threads, the sizes of the writes or timing.

gzip is compressed by zlib even where isal is installed: isal is ten times faster, but makes layers at least 12 % larger
than zlib's default level does, and the output should not depend on which other packages are installed.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..errors import ContentMismatch, InvalidInput, Unsupported
from ..fast_dataclass import replace
from ..model import mediatype
from ..model.change import Outcome
from ..model.digest import Digest, new_hasher
from ..model.manifest_conversion import CONTENT_ANNOTATIONS
from .decompress import Decompressor
from .inflaters import load_zstd
from .ordered_pool import OrderedJobs, Pool
from .plain_content import ANY_CONTENT, PlainVerifier

if TYPE_CHECKING:
    from ..model.change import Change
    from ..model.descriptor import Descriptor
    from .byte_streams import BlobSink
    from .ordered_pool import Job
    from .plain_content import PlainContent

_MIB = 1024 * 1024
# For each format the lowest, the default and the highest level.
_LEVELS = {"gzip": (1, 6, 9), "zstd": (1, 3, 22)}
# For levels up to the first number: the size of a zstd frame in bytes, and the highest number of frames compressed at
# the same time. Compared with a single frame the output is larger by 2.3 %, 0.7 to 2.4 % and 1 to 2 %. Larger frames
# would lose less, but each layer that is being written holds one or two of them in memory.
_FRAMES = ((3, _MIB, 4), (12, 4 * _MIB, 8), (22, 8 * _MIB, 8))


def check_level(format: str | None, level: int | None) -> None:
    """Raise `InvalidInput` unless ``format`` is known and has ``level``: 1 to 9 for gzip, 1 to 22 for zstd.

    A ``level`` of None is the format's default: 6 for gzip, 3 for zstd. For the formats "" and None, which compress
    nothing (see `Change`), any level is accepted.
    """
    if not format:
        return
    if format not in _LEVELS:
        raise InvalidInput(f"unknown compression format {format!r}: want {' or '.join(_LEVELS)}")
    lowest, _, highest = _LEVELS[format]
    if level is not None and not lowest <= level <= highest:
        raise InvalidInput(f"{format} has no compression level {level}: want {lowest} to {highest}")


class RecompressingSink:
    """Writes a layer, gzip, zstd or plain, to another sink with the compression that ``change`` asks for.

    `write` and `finish` are called by one thread, and only that thread writes to ``sink``. Blocks are compressed in a
    pool of threads that all layers share; few blocks of each layer are in memory, so that six concurrent layers need
    less than 32 MiB in total at the default levels. Higher levels of zstd need up to 100 MiB per thread. Must end with
    `finish`, `close` or an error. When the thread's work is cancelled, `write` and `finish` raise `Cancelled` at once.
    """

    def __init__(
        self, sink: BlobSink, change: Change, descriptor: Descriptor, what: str, expected: PlainContent = ANY_CONTENT
    ) -> None:
        """``descriptor`` is that of the layer as it will be written to this sink; ``what`` names it in errors.

        ``expected`` is what must hold for its decompressed content.

        Raises `Unsupported` if the layer's media type has no variant with this compression, and what `check_level`
        raises.
        """
        check_level(change.format, change.level)
        self._sink, self._change, self._what = sink, change, what
        self._descriptor = descriptor if change.format is None else _new_descriptor(descriptor, change.format, what)
        self._unchanged = change.format is None
        self._outcome: Outcome | None = None
        self._verifier = PlainVerifier(expected, what)
        self._begin()

    def _begin(self) -> None:
        self._decompressor = Decompressor(self._what)
        self._output_hash, self._size = new_hasher("sha256"), 0
        format = self._change.format
        self._compressor = _BlockCompressor(_codec(format, self._change.level), self._emit) if format else None

    def write(self, buffer: memoryview) -> None:
        """Take the next bytes of the layer.

        Raises `InvalidContent` for damaged compressed data, `TooLarge` as `Decompressor` does, and whatever the other
        sink raises.
        """
        if self._unchanged:
            self._size += len(buffer)
            self._sink.write(buffer)
        self._recompress(self._decompressor.feed(buffer))

    def finish(self) -> None:
        """Write what is still buffered.

        Raises what `write` raises, `InvalidContent` for truncated data, and `ContentMismatch` for another content than
        expected.
        """
        self._recompress(self._decompressor.finish())
        try:
            self._verifier.finish()
        except ContentMismatch:
            self.close()
            raise
        if self._compressor is not None:
            self._compressor.finish()
        digest = self._descriptor.digest if self._unchanged else Digest("sha256", self._output_hash.hexdigest())
        self._outcome = Outcome(replace(self._descriptor, digest=digest, size=self._size), self._verifier.digest)

    def restart(self) -> None:
        """Discard what was written, here and in the other sink: the layer starts again at its first byte."""
        self.close()
        self._begin()
        self._verifier.restart()
        self._sink.restart()

    @property
    def outcome(self) -> Outcome:
        """After `finish`: the descriptor and the diff ID of the layer as it was written.

        Annotations are kept, except those about the compressed bytes. A layer that was not changed keeps its
        descriptor; its digest is the one given to the constructor and is not verified here.
        """
        assert self._outcome is not None, "not finished"
        return self._outcome

    def close(self) -> None:
        """Discard what is not compressed yet and release the threads; does nothing after `finish`."""
        if self._compressor is not None:
            self._compressor.close()

    def _recompress(self, pieces: Iterator[memoryview]) -> None:
        try:
            for piece in pieces:
                self._verifier.feed(piece)
                if self._compressor is not None:
                    self._compressor.write(piece)
                elif not self._unchanged:
                    self._emit(piece)
        except BaseException:
            # The other sink is left alone: its owner may still ask it why it failed.
            self.close()
            raise

    def _emit(self, content: bytes | memoryview) -> None:
        self._output_hash.update(content)
        self._size += len(content)
        self._sink.write(memoryview(content))


def _new_descriptor(descriptor: Descriptor, format: str, what: str) -> Descriptor:
    """Return the descriptor of a layer with another compression; its digest and size are still those of the original.

    URLs, embedded data and annotations about the compressed bytes are dropped, since they describe other bytes.
    """
    media_type = mediatype.with_compression(descriptor.media_type, format)
    if media_type is None:
        wanted = f"compressed with {format}" if format else "decompressed"
        raise Unsupported(f"{what}: a layer of type {ascii(descriptor.media_type)} cannot be {wanted}")
    annotations = {
        key: value for key, value in descriptor.annotations.items() if not key.startswith(CONTENT_ANNOTATIONS)
    }
    return replace(descriptor, media_type=media_type, annotations=annotations, urls=(), data=None)


class _Codec(Protocol):
    """Compresses one layer in blocks of ``size`` bytes, the last one smaller.

    ``max_jobs`` is the highest number of blocks compressed at the same time, ``header`` the bytes before the first one.
    """

    size: int
    max_jobs: int
    header: bytes

    def job(self, block: memoryview) -> Job:
        """Return a function that compresses ``block`` in any thread; called in the order of the blocks."""
        ...

    def trailer(self) -> bytes:
        """Return the bytes after the last block."""
        ...


class _Gzip:
    """One gzip member (RFC 1952), larger than a single call of `zlib` makes it by a few hundredths of a percent."""

    size, max_jobs = 512 * 1024, 16
    _WINDOW = 32 * 1024  # bytes that deflate can refer back to (RFC 1951, section 2)

    def __init__(self, level: int) -> None:
        self._level = level
        self._window = b""
        self._crc = self._length = 0
        # No file name, no time, XFL for the lowest and the highest level, unknown system (RFC 1952, section 2.3).
        self.header = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, {9: 2, 1: 4}.get(level, 0), 255))

    def job(self, block: memoryview) -> Job:
        job = partial(_deflate, block, self._level, self._window)
        self._window = bytes(block[-self._WINDOW :])
        self._crc = zlib.crc32(block, self._crc)
        self._length += len(block)
        return job

    def trailer(self) -> bytes:
        # An empty final block, so that no other block has to be compressed as the final one.
        return b"\x03\x00" + struct.pack("<II", self._crc, self._length & 0xFFFFFFFF)


def _deflate(block: memoryview, level: int, window: bytes) -> bytes:
    """Compress ``block`` to raw deflate that ends at a byte boundary; ``window`` is the content right before it."""
    if window:
        compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=window)
    else:
        compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH)


class _Zstd:
    """One zstd frame per block (RFC 8878), with content size and checksum as the program ``zstd`` writes them."""

    header = b""

    def __init__(self, level: int) -> None:
        self._zstd = load_zstd()
        parameter = self._zstd.CompressionParameter
        self._options = {parameter.compression_level: level, parameter.checksum_flag: 1}
        self.size, self.max_jobs = next((size, count) for highest, size, count in _FRAMES if level <= highest)
        self._empty = True

    def job(self, block: memoryview) -> Job:
        self._empty = False
        return partial(self._zstd.compress, block, options=self._options)

    def trailer(self) -> bytes:
        # Empty content is one empty frame: no bytes at all would not be zstd.
        return self.job(memoryview(b""))() if self._empty else b""


def _codec(format: str, level: int | None) -> _Codec:
    level = _LEVELS[format][1] if level is None else level
    return _Gzip(level) if format == "gzip" else _Zstd(level)


_pool = Pool()


class _BlockCompressor:
    """Cuts what is written to it into blocks, compresses them in the pool, and emits the results in order."""

    def __init__(self, codec: _Codec, emit: Callable[[bytes], None]) -> None:
        self._codec, self._emit = codec, emit
        # Anonymous memory maps: they are returned to the system at once, while heap blocks of this size, freed by many
        # threads, would fragment the heap to twice their size.
        self._block: mmap.mmap | None = None
        self._filled = 0
        self._header = codec.header
        self._jobs = OrderedJobs(_pool, codec.max_jobs, self._emit_compressed)

    def write(self, piece: memoryview) -> None:
        while len(piece):
            if self._block is None:
                self._block = mmap.mmap(-1, self._codec.size)
            start = self._filled
            self._filled = min(start + len(piece), self._codec.size)
            count = self._filled - start
            self._block[start : self._filled] = piece[:count]
            piece = piece[count:]
            if self._filled == self._codec.size:
                self._jobs.add(self._codec.job(self._take_block()))

    def finish(self) -> None:
        if self._filled:
            self._jobs.add(self._codec.job(self._take_block()))
        self._jobs.finish()
        self._emit_compressed(self._codec.trailer())

    def _take_block(self) -> memoryview:
        """Return the content of the current block; the next `write` begins another one."""
        assert self._block is not None
        content = memoryview(self._block)[: self._filled]
        self._block, self._filled = None, 0
        return content

    def close(self) -> None:
        self._jobs.close()

    def _emit_compressed(self, content: bytes) -> None:
        # The header is emitted together with the first block, so that nothing is written before there is content.
        header, self._header = self._header, b""
        if header or content:
            self._emit(header + content)
