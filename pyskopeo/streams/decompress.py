"""Byte transformations on the way to a sink: gzip and zstd undone, by what the bytes say they are."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InvalidContent, TooLarge, Unsupported
from ..model.digest import Digest, new_hasher

if TYPE_CHECKING:
    from types import ModuleType

    from .pump import ByteReader, ByteSink

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# What zstd's programs may put before a frame, for others to skip (RFC 8878, section 3.1.2).
_SKIPPABLE = tuple(bytes((0x50 + number, 0x2A, 0x4D, 0x18)) for number in range(16))
_MAGIC = 4
_PIECE = 256 * 1024
_READ = 64 * 1024
# What zstd would otherwise reserve for a hostile frame: its own default is 128 MiB, too.
_ZSTD_WINDOW_LOG = 27
# A layer may be mostly zeros, a disk image say, but not a disk full of them made of nothing.
_ALWAYS_FINE = 16 * 1024**3
_MOST_TIMES = 200
_BLOCK = 512  # of tar


class _Inflater(Protocol):
    """What zlib's, isal's and zstd's decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: Any, max_length: int = -1) -> bytes: ...


def recognises(magic: bytes) -> bool:
    """Whether bytes that begin like this would be decompressed."""
    return magic.startswith((_GZIP, _ZSTD, *_SKIPPABLE))


class Inflation:
    """Decompresses what is fed to it if it is gzip or zstd, and hands it on as it is if not.

    The pieces come one at a time, each of bounded size, so that the memory needed does not depend
    on how far the content expands. Take all pieces of one `feed` before the next. Raises `TooLarge`
    for what comes to more than 16 GiB and 200 times its compressed size.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._head = b""
        self._kind: str | None = None
        self._inflater: _Inflater | None = None
        self._errors: tuple[type[Exception], ...] = ()
        self._taken = self._given = 0

    def feed(self, buffer: memoryview) -> Iterator[memoryview]:
        """The next bytes, and what becomes of them; raises `InvalidContent` for damaged data."""
        if self._kind is None:
            if len(self._head) + len(buffer) < _MAGIC:
                self._head += bytes(buffer)
                return
            head, self._head = self._head, b""
            self._decide(head + bytes(buffer[:_MAGIC]))
            if head:
                yield from self._take(memoryview(head))
        yield from self._take(buffer)

    def finish(self) -> Iterator[memoryview]:
        """The rest; raises `InvalidContent` when the compressed data ends before its end."""
        if self._kind is None:
            self._kind = ""
            yield from self._take(memoryview(self._head))
        if self._inflater is not None and not self._inflater.eof:
            raise InvalidContent(f"{self._what}: the {self._kind} data is cut short")

    def _decide(self, magic: bytes) -> None:
        self._kind = "gzip" if magic.startswith(_GZIP) else "zstd" if recognises(magic) else ""
        if self._kind:
            self._renew()

    def _renew(self) -> None:
        self._inflater, self._errors = new_inflater(self._kind or "")

    def _take(self, buffer: memoryview) -> Iterator[memoryview]:
        if not self._kind:
            yield buffer
            return
        self._taken += len(buffer)
        data: Any = buffer
        while len(data):
            assert self._inflater is not None
            if self._inflater.eof:
                # Further members or frames, as parallel compressors write them; gzip may be padded.
                if self._kind == "gzip" and not bytes(data).strip(b"\0"):
                    return
                self._renew()
            data = yield from self._inflate(data)

    def _inflate(self, data: Any) -> Generator[memoryview, None, Any]:
        """Feed one decompressor all of ``data``; answers with what comes after its end."""
        inflater = self._inflater
        assert inflater is not None
        try:
            piece = inflater.decompress(data, _PIECE)
            while True:
                if piece:
                    self._weigh(len(piece))
                    yield memoryview(piece)
                if inflater.eof:
                    return inflater.unused_data
                left = getattr(inflater, "unconsumed_tail", b"")
                if left:
                    piece = inflater.decompress(left, _PIECE)
                elif getattr(inflater, "needs_input", len(piece) < _PIECE):
                    return b""
                else:
                    piece = inflater.decompress(b"", _PIECE)
        except self._errors as error:
            raise InvalidContent(f"{self._what}: damaged {self._kind} data: {error}") from error

    def _weigh(self, number: int) -> None:
        self._given += number
        if self._given > _ALWAYS_FINE and self._given > self._taken * _MOST_TIMES:
            raise TooLarge(
                f"{self._what}: {self._taken} bytes of {self._kind} data became {self._given}, more than "
                f"{_MOST_TIMES} times as many: refused",
                limit=max(_ALWAYS_FINE, self._taken * _MOST_TIMES),
            )


def guessed_size(ending: bytes, size: int) -> int | None:
    """How much tar is most likely in a gzip stream of ``size`` bytes that ends so; None for no idea.

    A stream says so itself at its end (RFC 1952, ISIZE), but only of its last member, and modulo 4 GiB.
    """
    found = int.from_bytes(ending[-4:], "little")
    # Tar comes in blocks, and gzip makes nothing larger by more than a trifle.
    fits = len(ending) >= 4 and found % _BLOCK == 0 and size - size // 512 - 64 <= found <= size * _MOST_TIMES
    return found if fits else None


class InflatingSink:
    """Passes on what is written to it, decompressed as `Inflation` does.

    Counts and hashes what comes out: `size`, and `digest` after `finish`.
    """

    def __init__(self, sink: ByteSink, what: str) -> None:
        self._sink, self._inflation = sink, Inflation(what)
        self._hasher = new_hasher("sha256")
        self.size = 0

    @property
    def digest(self) -> Digest:
        """The sha256 of what came out: for a layer, its diff ID."""
        return Digest("sha256", self._hasher.hexdigest())

    def write(self, buffer: memoryview) -> None:
        self._pass_on(self._inflation.feed(buffer))

    def finish(self) -> None:
        """Raises `InvalidContent` when the compressed data ends before its end."""
        self._pass_on(self._inflation.finish())

    def _pass_on(self, pieces: Iterator[memoryview]) -> None:
        for piece in pieces:
            self._hasher.update(piece)
            self.size += len(piece)
            self._sink.write(piece)


def new_inflater(kind: str) -> tuple[_Inflater, tuple[type[Exception], ...]]:
    """A decompressor for ``gzip`` or ``zstd``, the fastest installed, and the errors it raises."""
    inflater: _Inflater
    if kind == "gzip":
        try:
            from isal import igzip_lib
        except ImportError:
            return zlib.decompressobj(wbits=31), (zlib.error,)
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        return inflater, (igzip_lib.error,)  # type: ignore[return-value] # its stubs say an instance
    zstd = load_zstd()
    inflater = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})
    return inflater, (zstd.ZstdError,)


def load_zstd() -> ModuleType:
    """The standard library's module for zstd, or its backport; raises `Unsupported` where neither is."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore] # from 3.14 on
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise Unsupported("zstd layers need the package backports.zstd, which is not installed") from None
    module: ModuleType = zstd
    return module


class InflatingReader:
    """A `ByteReader` over the decompressed content of another; holds one input buffer and one piece."""

    def __init__(self, reader: ByteReader, what: str) -> None:
        self._reader = reader
        self._inflation = Inflation(what)
        self._input = memoryview(bytearray(_READ))
        self._pieces: Iterator[memoryview] = iter(())
        self._piece = memoryview(b"")
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:
        while not self._piece:
            found = next(self._pieces, None)
            if found is not None:
                self._piece = found
            elif self._ended:
                return 0
            elif count := self._reader.readinto(self._input):
                self._pieces = self._inflation.feed(self._input[:count])
            else:
                self._ended = True
                self._pieces = self._inflation.finish()
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count
