"""Byte transformations on the way to a sink: gzip and zstd undone, by what the bytes say they are."""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from .errors import InvalidContent, Unsupported
from .model.digest import Digest, new_hasher

if TYPE_CHECKING:
    from .pump import ByteReader, ByteSink

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_MAGIC = 4
_PIECE = 1024 * 1024
# Deflate expands at most a thousandfold: so much input at a time bounds what is held in memory.
_READ = 16 * 1024
# What zstd would otherwise reserve for a hostile frame: its own default is 128 MiB, too.
_ZSTD_WINDOW_LOG = 27


class _Inflater(Protocol):
    """What zlib's, isal's and zstd's decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: Any, max_length: int = -1) -> bytes: ...


class InflatingSink:
    """Passes on what is written to it, decompressed if it is gzip or zstd, in bounded pieces.

    Counts and hashes what comes out: `size`, and `digest` after `finish`.
    """

    def __init__(self, sink: ByteSink, what: str) -> None:
        self._sink, self._what = sink, what
        self._head = b""
        self._kind: str | None = None
        self._inflater: _Inflater | None = None
        self._errors: tuple[type[Exception], ...] = ()
        self._hasher = new_hasher("sha256")
        self.size = 0

    @staticmethod
    def recognises(magic: bytes) -> bool:
        """Whether bytes that begin like this would be decompressed."""
        return magic.startswith((_GZIP, _ZSTD))

    @property
    def digest(self) -> Digest:
        """The sha256 of what came out: for a layer, its diff ID."""
        return Digest("sha256", self._hasher.hexdigest())

    def write(self, buffer: memoryview) -> None:
        if self._kind is None:
            if len(self._head) + len(buffer) < _MAGIC:
                self._head += bytes(buffer)
                return
            head, self._head = self._head, b""
            self._decide(head + bytes(buffer[:_MAGIC]))
            if head:
                self._take(memoryview(head))
        self._take(buffer)

    def finish(self) -> None:
        """Raises `InvalidContent` when the compressed data ends before its end."""
        if self._kind is None:
            self._kind = ""
            self._take(memoryview(self._head))
        if self._inflater is not None and not self._inflater.eof:
            raise InvalidContent(f"{self._what}: the {self._kind} data is cut short")

    def _decide(self, magic: bytes) -> None:
        self._kind = "gzip" if magic.startswith(_GZIP) else "zstd" if magic.startswith(_ZSTD) else ""
        if self._kind:
            self._renew()

    def _renew(self) -> None:
        self._inflater, self._errors = new_inflater(self._kind or "")

    def _take(self, buffer: memoryview) -> None:
        if not self._kind:
            self._emit(buffer)
            return
        data: Any = buffer
        while len(data):
            assert self._inflater is not None
            if self._inflater.eof:
                # Further members or frames, as parallel compressors write them; gzip may be padded.
                if self._kind == "gzip" and not bytes(data).strip(b"\0"):
                    return
                self._renew()
            data = self._inflate(data)

    def _inflate(self, data: Any) -> Any:
        """Feed one decompressor all of ``data``; answers with what comes after its end."""
        inflater = self._inflater
        assert inflater is not None
        try:
            piece = inflater.decompress(data, _PIECE)
            while True:
                if piece:
                    self._emit(memoryview(piece))
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

    def _emit(self, buffer: memoryview) -> None:
        self._hasher.update(buffer)
        self.size += len(buffer)
        self._sink.write(buffer)


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
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore] # from 3.14 on
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise Unsupported("zstd layers need the package backports.zstd, which is not installed") from None
    inflater = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})
    return inflater, (zstd.ZstdError,)


class InflatingReader:
    """A `ByteReader` over the decompressed content of another."""

    def __init__(self, reader: ByteReader, what: str) -> None:
        self._reader = reader
        self._parts = _Parts()
        self._sink = InflatingSink(self._parts, what)
        self._input = memoryview(bytearray(_READ))
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:
        while not self._parts and not self._ended:
            if count := self._reader.readinto(self._input):
                self._sink.write(self._input[:count])
            else:
                self._ended = True
                self._sink.finish()
        return self._parts.take(buffer)

    def abort(self) -> None:
        self._reader.abort()


class _Parts:
    """Holds what one write produced until it is taken: bounded by the expansion of one small read."""

    def __init__(self) -> None:
        self._parts: deque[memoryview] = deque()

    def __bool__(self) -> bool:
        return bool(self._parts)

    def write(self, buffer: memoryview) -> None:
        if len(buffer):
            self._parts.append(memoryview(bytes(buffer)))

    def take(self, buffer: memoryview) -> int:
        if not self._parts:
            return 0
        part = self._parts.popleft()
        count = min(len(buffer), len(part))
        buffer[:count] = part[:count]
        if count < len(part):
            self._parts.appendleft(part[count:])
        return count

