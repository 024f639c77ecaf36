"""The formats of compressed streams: their magic numbers, and the objects that decompress them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..errors import Unsupported

if TYPE_CHECKING:
    from types import ModuleType

MAGIC = 4
"""The number of bytes that tell the format of a stream."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# The magic numbers of skippable frames, which may precede the first zstd frame (RFC 8878, section 3.1.2).
_SKIPPABLE = tuple(bytes((0x50 + number, 0x2A, 0x4D, 0x18)) for number in range(16))
_BZIP2 = tuple(b"BZh%d" % level for level in range(1, 10))
_XZ = b"\xfd7zX"
# The largest window, 128 MiB, that a zstd frame may demand: memory is allocated for it. This is zstd's own default.
_ZSTD_WINDOW_LOG = 27
# The most memory, in bytes, that an xz stream may demand: four times what its highest level needs.
_XZ_MEMORY = 256 * 1024 * 1024


class Inflater(Protocol):
    """The methods that the decompressor objects of zlib, isal, zstd, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: Any, max_length: int = -1) -> bytes: ...


NewInflater: TypeAlias = Callable[[], Inflater]


def compression_of(magic: bytes) -> str:
    """Return the compression of an archive that begins with ``magic`` (4 bytes): gzip, zstd, bzip2, xz or ""."""
    if is_gzip_or_zstd(magic):
        return "gzip" if magic.startswith(_GZIP) else "zstd"
    return "bzip2" if magic.startswith(_BZIP2) else "xz" if magic.startswith(_XZ) else ""


def is_gzip_or_zstd(magic: bytes) -> bool:
    """Return whether content that begins with ``magic`` (4 bytes) is gzip or zstd."""
    return magic.startswith((_GZIP, _ZSTD, *_SKIPPABLE))


def inflater_constructor(kind: str) -> tuple[NewInflater, tuple[type[Exception], ...]]:
    """Return the constructor of decompressor objects for a format, and the exception types that these raise.

    isal is used for gzip where it is installed, since it is faster than zlib. Raises `Unsupported` as `load_zstd` does.
    """
    if kind == "zstd":
        zstd = load_zstd()
        options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        return partial(zstd.ZstdDecompressor, options=options), (zstd.ZstdError,)
    if kind == "bzip2":
        from bz2 import BZ2Decompressor

        return BZ2Decompressor, (OSError, ValueError)
    if kind == "xz":
        import lzma

        return partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _XZ_MEMORY), (lzma.LZMAError,)
    try:
        from isal import igzip_lib
    except ImportError:
        return partial(zlib.decompressobj, wbits=31), (zlib.error,)
    inflater = partial(igzip_lib.IgzipDecompressor, flag=igzip_lib.DECOMP_GZIP)
    return inflater, (igzip_lib.error,)  # type: ignore[return-value] # its stubs say an instance


def load_zstd() -> ModuleType:
    """Return the module ``compression.zstd`` or its backport; raises `Unsupported` if neither is installed."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore] # from 3.14 on
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise Unsupported("zstd layers need the package backports.zstd, which is not installed") from None
    module: ModuleType = zstd
    return module
