"""The flags that say in which form a copy is written."""

from __future__ import annotations

from ..engine.plan import Form
from ..errors import InvalidInput
from .flags import Flag, Parsed, UsageError, boolean, integer

FORMATS = ("oci", "v2s1", "v2s2")
_COMPRESSIONS = ("gzip", "zstd")

FORM = (
    Flag("format", "manifest type to write: oci, v2s2 or v2s1 (default: the source's, where it is taken)", short="f",
         value="TYPE"),
    Flag("preserve-digests", "fail rather than alter a manifest", read=boolean, default=False),
    Flag("remove-signatures", "copy no signatures (none are copied yet)", read=boolean, default=False),
    Flag("dest-compress", "compress plain layers in dir:, too", read=boolean, default=False),
    Flag("dest-decompress", "decompress layers", read=boolean, default=False),
    Flag("dest-compress-format", "have layers compressed with gzip or zstd", value="FORMAT"),
    Flag("dest-compress-level", "how hard to compress: gzip 1 to 9 (default 6), zstd 1 to 22 (default 3)",
         value="LEVEL", read=integer),
    Flag("dest-force-compress-format", "do not take a layer that is there in another compression for the one wanted "
         "(which is never done)", read=boolean, default=False),
    Flag("dest-oci-accept-uncompressed-layers", "leave plain layers plain in oci:", read=boolean, default=False),
)  # fmt: skip


def form(parsed: Parsed, destination: str) -> Form:
    """What the flags say; raises `InvalidInput` for what does not exist or go together."""
    wanted, compression = parsed["format"] or "", parsed["dest-compress-format"] or ""
    level = parsed["dest-compress-level"]
    if wanted and wanted not in FORMATS:
        raise UsageError(f"unknown format \"{wanted}\". Choose one of the supported formats: 'oci', 'v2s1', or 'v2s2'")
    if compression and compression not in _COMPRESSIONS:
        raise InvalidInput(f'cannot find compressor for "{compression}": want gzip or zstd')
    if parsed["dest-compress"] and parsed["dest-decompress"]:
        raise UsageError("Cannot compress and decompress at the same time")
    if level is not None:
        from ..streams.compress import check_level

        check_level(compression or "gzip", level)
    if parsed["dest-force-compress-format"] and not compression:
        raise UsageError("--dest-force-compress-format goes with --dest-compress-format")
    return Form(
        format=wanted,
        compression=compression,
        level=level,
        compress=parsed["dest-compress"],
        decompress=parsed["dest-decompress"],
        keep_plain=parsed["dest-oci-accept-uncompressed-layers"] and destination.startswith(("oci:", "oci-archive:")),
        preserve_digests=parsed["preserve-digests"],
    )
