"""Decompress streams while they are read or written; the format is detected from the first bytes.

gzip is RFC 1952, with any number of members; zstd is RFC 8878, with any number of frames and skippable frames. Whole
archives may also be bzip2 or xz, with any number of streams. Anything else passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from ..errors import InvalidContent, TooLarge
from .byte_streams import BlobReader
from .cancellation import check_cancelled
from .inflaters import MAGIC, Inflater, NewInflater, compression_of, inflater_constructor, is_gzip_or_zstd
from .plain_content import ANY_CONTENT, PlainVerifier

if TYPE_CHECKING:
    from ..model.digest import Digest
    from .byte_streams import BlobSink, ByteReader
    from .plain_content import PlainContent

_PIECE = 256 * 1024
_READ = 64 * 1024
# Bytes that a decompressor object is given at once. After the end of a member it copies what is left of them, so after
# a short member it is given less.
_LARGEST_STEP, _SMALLEST_STEP = 256 * 1024, 1024
# Protects against decompression bombs: output over the first limit, in bytes, must not exceed the input by the second
# factor. Real layers may be mostly zeros, disk images for example.
_RATIO_CHECKED_FROM = 16 * 1024**3
_MAX_RATIO = 200
# Protects against streams of tiny members: each takes as long as some kilobytes of content. Those after the first
# number of them must have so many bytes on average, in and out together. In layers with a member per file (eStargz,
# zstd:chunked) every other member contains at least the 512 bytes of a tar header.
_MEMBERS_CHECKED_FROM = 5000
_BYTES_PER_MEMBER = 64
_TAR_BLOCK = 512
_PARTS = {"gzip": "members", "zstd": "frames", "bzip2": "streams", "xz": "streams"}


class Decompressor:
    """Decompresses a stream that is fed to it in pieces, if it is gzip or zstd, and returns it unchanged if not.

    With ``archive`` bzip2 and xz are decompressed too; layers are never in these formats (OCI image specification).

    `feed` and `finish` are generators of pieces of at most 256 KiB of output, so that the memory needed does not depend
    on the compression ratio. Exhaust one before the next call. Both raise `TooLarge` when the output exceeds both
    16 GiB and 200 times the compressed size, `InvalidContent` for more than 5000 members that have fewer than 64 bytes
    on average, compressed and decompressed together, and `Cancelled`.
    """

    def __init__(self, what: str, *, archive: bool = False) -> None:
        self._what, self._archive = what, archive
        self._head = b""
        self._format: str | None = None
        self._new_inflater: NewInflater | None = None
        self._inflater: Inflater | None = None
        self._errors: tuple[type[Exception], ...] = ()
        self._step = _LARGEST_STEP
        self._members = self._bytes_in = self._bytes_out = 0

    def feed(self, buffer: memoryview) -> Iterator[memoryview]:
        """Take the next bytes of the stream and yield their decompressed content.

        Raises `InvalidContent` for damaged data, and `TooLarge`.
        """
        if self._format is None:
            if len(self._head) + len(buffer) < MAGIC:
                self._head += bytes(buffer)
                return
            head, self._head = self._head, b""
            self._detect_format(head + bytes(buffer[:MAGIC]))
            if head:
                yield from self._decompress(memoryview(head))
        yield from self._decompress(buffer)

    def finish(self) -> Iterator[memoryview]:
        """Yield the rest of the content; raises `InvalidContent` if the compressed data is truncated."""
        if self._format is None:
            self._format = ""
            yield from self._decompress(memoryview(self._head))
        if self._inflater is not None and not self._inflater.eof:
            raise InvalidContent(f"{self._what}: the {self._format} data is cut short")

    def _detect_format(self, magic: bytes) -> None:
        self._format = compression_of(magic) if self._archive or is_gzip_or_zstd(magic) else ""
        if self._format:
            self._new_inflater, self._errors = inflater_constructor(self._format)
            self._start_member()

    def _start_member(self) -> None:
        assert self._new_inflater is not None
        self._members += 1
        checked = self._members - _MEMBERS_CHECKED_FROM
        if checked > 0 and checked * _BYTES_PER_MEMBER > self._bytes_in + self._bytes_out:
            raise InvalidContent(
                f"{self._what}: {self._members} {self._format} {_PARTS[self._format or '']} in {self._bytes_in} bytes "
                f"with {self._bytes_out} bytes of content: refused, since so many tiny ones take too long"
            )
        self._inflater = self._new_inflater()

    def _decompress(self, buffer: memoryview) -> Iterator[memoryview]:
        if not self._format:
            yield buffer
            return
        while len(buffer):
            check_cancelled()
            assert self._inflater is not None
            if self._inflater.eof:
                # Parallel compressors write several members or frames; all but zstd may be padded with zeros.
                if not buffer[0] and self._format != "zstd" and not bytes(buffer).strip(b"\0"):
                    return
                self._start_member()
            data = buffer[: self._step]
            self._bytes_in += len(data)
            left = yield from self._inflate(data)
            self._bytes_in -= left
            used = len(data) - left
            self._step = max(used, _SMALLEST_STEP) if self._inflater.eof else min(2 * self._step, _LARGEST_STEP)
            buffer = buffer[used:]

    def _inflate(self, data: memoryview) -> Generator[memoryview, None, int]:
        """Decompress ``data`` up to the end of the current member; returns the number of bytes after that end."""
        inflater = self._inflater
        assert inflater is not None
        try:
            piece = inflater.decompress(data, _PIECE)
            while True:
                if piece:
                    self._check_ratio(len(piece))
                    yield memoryview(piece)
                if inflater.eof:
                    return len(inflater.unused_data)
                # zlib keeps input that it had no room for in `unconsumed_tail`, the others keep it inside.
                left = getattr(inflater, "unconsumed_tail", b"")
                if left:
                    piece = inflater.decompress(left, _PIECE)
                elif getattr(inflater, "needs_input", len(piece) < _PIECE):
                    return 0
                else:
                    piece = inflater.decompress(b"", _PIECE)
                check_cancelled()
        except self._errors as error:
            raise InvalidContent(f"{self._what}: damaged {self._format} data: {error}") from error

    def _check_ratio(self, number: int) -> None:
        self._bytes_out += number
        if self._bytes_out > _RATIO_CHECKED_FROM and self._bytes_out > self._bytes_in * _MAX_RATIO:
            raise TooLarge(
                f"{self._what}: {self._bytes_in} bytes of {self._format} data became {self._bytes_out}, more than "
                f"{_MAX_RATIO} times as many: refused",
                limit=max(_RATIO_CHECKED_FROM, self._bytes_in * _MAX_RATIO),
            )


def estimate_uncompressed_size(ending: bytes, size: int) -> int | None:
    """Return the probable size in bytes of the tar archive in a gzip stream, or None if it cannot be told.

    ``size`` is the size of the stream and ``ending`` its last bytes, of which the last 4 are the uncompressed size
    (RFC 1952, ISIZE). That is exact only for streams of one member and below 4 GiB.
    """
    found = int.from_bytes(ending[-4:], "little")
    # Plausible sizes only: tar archives consist of blocks, and gzip output is at most slightly larger than its input.
    plausible = len(ending) >= 4 and found % _TAR_BLOCK == 0 and size - size // 512 - 64 <= found <= size * _MAX_RATIO
    return found if plausible else None


class InflatingSink:
    """Decompresses what is written to it, as `Decompressor` does, and writes the result to another sink.

    After `finish`, `size` is the number of decompressed bytes and `digest` their sha256. ``expected`` is what must hold
    for the decompressed content.
    """

    def __init__(self, sink: BlobSink, what: str, expected: PlainContent = ANY_CONTENT) -> None:
        self._sink, self._what = sink, what
        self._verifier = PlainVerifier(expected, what)
        self._decompressor = Decompressor(what)

    @property
    def size(self) -> int:
        """The number of decompressed bytes."""
        return self._verifier.size

    @property
    def digest(self) -> Digest:
        """The sha256 of the decompressed content: for a layer its diff ID (OCI image specification, config.md)."""
        return self._verifier.digest

    @property
    def digests(self) -> frozenset[Digest]:
        """The digests of the decompressed content in all algorithms that its diff IDs need."""
        return self._verifier.digests

    def write(self, buffer: memoryview) -> None:
        """Decompress the next bytes; raises `InvalidContent`, `TooLarge` and whatever the other sink raises."""
        self._write_all(self._decompressor.feed(buffer))

    def finish(self) -> None:
        """Write the rest.

        Raises as `write` does, `InvalidContent` if the compressed data is truncated, and `ContentMismatch` for another
        content than expected.
        """
        self._write_all(self._decompressor.finish())
        self._verifier.finish()

    def restart(self) -> None:
        """Discard what was written, here and in the other sink: the content starts again at its first byte."""
        self._decompressor = Decompressor(self._what)
        self._verifier.restart()
        self._sink.restart()

    def _write_all(self, pieces: Iterator[memoryview]) -> None:
        for piece in pieces:
            self._verifier.feed(piece)
            self._sink.write(piece)


class InflatingReader(BlobReader):
    """A `BlobReader` that decompresses the content of another reader, as `Decompressor` does.

    Memory: an input buffer of 64 KiB and one piece of output.
    """

    def __init__(self, reader: ByteReader, what: str) -> None:
        self._reader = reader
        self._decompressor = Decompressor(what)
        self._input = memoryview(bytearray(_READ))
        self._pieces: Iterator[memoryview] = iter(())
        self._piece = memoryview(b"")
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:
        """Read up to ``len(buffer)`` decompressed bytes, 0 at the end; raises as `Decompressor` and the reader do."""
        while not self._piece:
            found = next(self._pieces, None)
            if found is not None:
                self._piece = found
            elif self._ended:
                return 0
            elif count := self._reader.readinto(self._input):
                self._pieces = self._decompressor.feed(self._input[:count])
            else:
                self._ended = True
                self._pieces = self._decompressor.finish()
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count
