"""Layers in another form on their way to a sink: plain, gzip or zstd, compressed by all processors.

A layer is cut into blocks of a fixed size, and each is compressed on its own: for gzip as deflate
that may look back into the block before it and ends at a byte (RFC 1951, RFC 1952: all of them one
member), for zstd as a frame (RFC 8878, section 3.1: frames may follow each other). What comes out
therefore depends on the content, the format, the level and the version of the library (zlib, which
may be zlib-ng; zstd), and neither on the number of threads, nor on how the bytes came, nor on time.

zlib compresses gzip even where isal is installed: isal is ten times faster, but makes layers 12 %
larger than zlib's default at best, and bytes should not depend on what else is installed.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..errors import InvalidInput, Unsupported
from ..model import mediatype
from ..model.change import Outcome
from ..model.digest import Digest, new_hasher
from ..model.manifest_conversion import CONTENT_ANNOTATIONS
from .decompress import Inflation, load_zstd
from .ordered_pool import InOrder, Pool

if TYPE_CHECKING:
    from ..model.change import Change
    from ..model.descriptor import Descriptor
    from .ordered_pool import Job
    from .pump import ByteSink

_MIB = 1024 * 1024
# format: lowest, default and highest level
_LEVELS = {"gzip": (1, 6, 9), "zstd": (1, 3, 22)}
# Up to a level: the size of a frame, and how many are compressed at once. Against one frame for all these
# lose 2.3 %, 0.7 to 2.4 % and 1 to 2 %; larger ones lose less, but each layer under way holds one or two.
_FRAMES = ((3, _MIB, 4), (12, 4 * _MIB, 8), (22, 8 * _MIB, 8))


def check_level(format: str | None, level: int | None) -> None:
    """Raises `InvalidInput` unless ``format`` exists and has ``level``: gzip 1 to 9, zstd 1 to 22.

    None is the format's default level, 6 and 3. Where nothing is compressed ("" and None, as in
    `Change`) there are no levels, and none is wrong.
    """
    if not format:
        return
    if format not in _LEVELS:
        raise InvalidInput(f"unknown compression format {format!r}: want {' or '.join(_LEVELS)}")
    lowest, _, highest = _LEVELS[format]
    if level is not None and not lowest <= level <= highest:
        raise InvalidInput(f"{format} has no compression level {level}: want {lowest} to {highest}")


class ChangingSink:
    """Passes on a layer, in whatever form it is written to it, in the form that ``change`` asks for.

    ``write`` and ``finish`` are called by one thread, which is the only one that writes to ``sink``,
    in order. Other threads compress meanwhile, shared by all layers; few blocks of each are held, so
    that six layers at once need less than 32 MiB together at the default levels. Higher levels of
    zstd need more: up to 100 MiB a thread. Ends with `finish`, `close` or an error.
    When the thread's work is cancelled, `write` and `finish` raise `Cancelled` within the time that one
    block takes.
    """

    def __init__(self, sink: ByteSink, change: Change, descriptor: Descriptor, what: str) -> None:
        """``descriptor`` is of the layer as it comes, ``what`` names it in errors.

        Raises `Unsupported` for a layer that cannot have the form, and as `check_level` does.
        """
        check_level(change.format, change.level)
        self._sink = sink
        self._descriptor = descriptor if change.format is None else _changed(descriptor, change.format, what)
        self._as_it_is = change.format is None
        self._inflation = Inflation(what)
        self._plain, self._written, self._size = new_hasher("sha256"), new_hasher("sha256"), 0
        self._blocks = _Blocks(_codec(change.format, change.level), self._emit) if change.format else None
        self._outcome: Outcome | None = None

    def write(self, buffer: memoryview) -> None:
        """Take the next bytes; raises `InvalidContent` for damaged data, and what the sink below raises."""
        if self._as_it_is:
            self._size += len(buffer)
            self._sink.write(buffer)
        self._take(self._inflation.feed(buffer))

    def finish(self) -> None:
        """Write all that is left; raises as `write` does, also for data that ends before its end."""
        self._take(self._inflation.finish())
        if self._blocks is not None:
            self._blocks.finish()
        diff_id = Digest("sha256", self._plain.hexdigest())
        digest = self._descriptor.digest if self._as_it_is else Digest("sha256", self._written.hexdigest())
        self._outcome = Outcome(replace(self._descriptor, digest=digest, size=self._size), diff_id)

    @property
    def outcome(self) -> Outcome:
        """After `finish`: the layer as it was written.

        Annotations are kept, but for those about the compressed bytes. A layer that was left as it is
        keeps its descriptor; the digest is what it was said to be, not checked here.
        """
        assert self._outcome is not None, "not finished"
        return self._outcome

    def close(self) -> None:
        """Drop what is not compressed yet; harmless when all is done."""
        if self._blocks is not None:
            self._blocks.close()

    def _take(self, pieces: Iterator[memoryview]) -> None:
        try:
            for piece in pieces:
                self._plain.update(piece)
                if self._blocks is not None:
                    self._blocks.write(piece)
                elif not self._as_it_is:
                    self._emit(piece)
        except BaseException:
            # The sink below is not told: it may still have to say why it failed.
            self.close()
            raise

    def _emit(self, content: bytes | memoryview) -> None:
        self._written.update(content)
        self._size += len(content)
        self._sink.write(memoryview(content))


def _changed(descriptor: Descriptor, format: str, what: str) -> Descriptor:
    """All that stays true of a layer in another form; digest and size do not."""
    media_type = mediatype.with_compression(descriptor.media_type, format)
    if media_type is None:
        wanted = f"compressed with {format}" if format else "decompressed"
        raise Unsupported(f"{what}: a layer of type {ascii(descriptor.media_type)} cannot be {wanted}")
    annotations = {
        key: value for key, value in descriptor.annotations.items() if not key.startswith(CONTENT_ANNOTATIONS)
    }
    return replace(descriptor, media_type=media_type, annotations=annotations, urls=(), data=None)


class _Codec(Protocol):
    """How one format is made of blocks of ``size`` bytes, the last one smaller."""

    size: int
    at_once: int
    head: bytes

    def job(self, block: memoryview) -> Job:
        """What compresses ``block``, in any thread; asked for in the order of the blocks."""
        ...

    def tail(self) -> bytes:
        """What follows the last block."""
        ...


class _Gzip:
    """One member of many blocks: what `zlib` makes of the whole, within a few hundredths of a percent."""

    size, at_once = 512 * 1024, 16
    _WINDOW = 32 * 1024

    def __init__(self, level: int) -> None:
        self._level = level
        self._before = b""
        self._crc = self._length = 0
        # Neither name nor time; how hard it was tried, and no particular system (RFC 1952, section 2.3).
        self.head = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, {9: 2, 1: 4}.get(level, 0), 255))

    def job(self, block: memoryview) -> Job:
        job = partial(_deflate, block, self._level, self._before)
        self._before = bytes(block[-self._WINDOW :])
        self._crc = zlib.crc32(block, self._crc)
        self._length += len(block)
        return job

    def tail(self) -> bytes:
        # An empty last block, so that it need not be known of any other that it is the last.
        return b"\x03\x00" + struct.pack("<II", self._crc, self._length & 0xFFFFFFFF)


def _deflate(block: memoryview, level: int, before: bytes) -> bytes:
    if before:
        compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    else:
        compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH)


class _Zstd:
    """One frame for each block, as the program ``zstd`` writes it: with its size and a checksum."""

    head = b""

    def __init__(self, level: int) -> None:
        self._zstd = load_zstd()
        parameter = self._zstd.CompressionParameter
        self._options = {parameter.compression_level: level, parameter.checksum_flag: 1}
        self.size, self.at_once = next((size, at_once) for upto, size, at_once in _FRAMES if level <= upto)
        self._empty = True

    def job(self, block: memoryview) -> Job:
        self._empty = False
        return partial(self._zstd.compress, block, options=self._options)

    def tail(self) -> bytes:
        return self.job(memoryview(b""))() if self._empty else b""


def _codec(format: str, level: int | None) -> _Codec:
    level = _LEVELS[format][1] if level is None else level
    return _Gzip(level) if format == "gzip" else _Zstd(level)


_pool = Pool()


class _Blocks:
    """Cuts what is written to it into blocks, and emits them compressed, in order."""

    def __init__(self, codec: _Codec, emit: Callable[[bytes], None]) -> None:
        self._codec, self._emit = codec, emit
        # Pages of its own: the system gives them when they are filled and has them back at once, where
        # blocks of this size, from many threads, would leave the heap in pieces twice as large as they are.
        self._block: mmap.mmap | None = None
        self._filled = 0
        self._head: bytes = codec.head
        self._jobs = InOrder(_pool, codec.at_once, self._compressed)

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
                self._jobs.add(self._codec.job(self._taken()))

    def finish(self) -> None:
        if self._filled:
            self._jobs.add(self._codec.job(self._taken()))
        self._jobs.finish()
        self._compressed(self._codec.tail())

    def _taken(self) -> memoryview:
        """What the block holds; the next bytes go into another."""
        assert self._block is not None
        content = memoryview(self._block)[: self._filled]
        self._block, self._filled = None, 0
        return content

    def close(self) -> None:
        self._jobs.close()

    def _compressed(self, content: bytes) -> None:
        # The head comes with the first bytes: nothing is written before there are any.
        head, self._head = self._head, b""
        if head or content:
            self._emit(head + content)
