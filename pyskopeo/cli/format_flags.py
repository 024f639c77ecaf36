"""The flags for the format in which an image is written."""

from __future__ import annotations

from ..engine.plan import Form
from ..errors import InvalidInput
from .command import program
from .flags import Flag, Parsed, UsageError, boolean, byte_count, integer

_FORMATS = ("oci", "v2s1", "v2s2")
_COMPRESSIONS = ("gzip", "zstd")

FORM = (
    Flag("format", "manifest type to write: oci, v2s2 or v2s1 (default: that of the source, if the destination "
         "accepts it)", short="f", value="TYPE", offered=_FORMATS, group="form"),
    Flag("preserve-digests", "fail if a manifest would have to change", read=boolean, default=False, group="form"),
    Flag("remove-signatures", "copy signed images without their signatures", read=boolean, default=False, group="form"),
    Flag("remove-list-signatures", "copy signed lists of images without the lists' signatures; those of the images are "
         "copied", read=boolean, default=False, group="form"),
    Flag("dest-compress", "compress uncompressed layers, also in dir:", read=boolean, default=False, group="form"),
    Flag("dest-decompress", "decompress layers", read=boolean, default=False, group="form"),
    Flag("dest-compress-format", "compression of the layers: gzip or zstd", value="FORMAT",
         offered=_COMPRESSIONS, group="form"),
    Flag("dest-compress-level", "compression level: 1 to 9 for gzip (default: 6), 1 to 22 for zstd (default: 3)",
         value="LEVEL", read=integer, group="form"),
    Flag("dest-force-compress-format", "do not reuse layers with another compression (no effect: they are never "
         "reused)", read=boolean, default=False, group="form"),
    Flag("max-inflated", "maximum size of all layers that are decompressed, in total, as in 500M or 20G (default: 16G, "
         "or 200 times their stored size if that is more)", value="SIZE", read=byte_count, group="trust"),
    Flag("dest-oci-accept-uncompressed-layers", "do not compress uncompressed layers in oci: and oci-archive:",
         read=boolean, default=False, group="form"),
)  # fmt: skip


def form(parsed: Parsed, destination: str) -> Form:
    """Return the format in which to write to ``destination``; raises `InvalidInput`."""
    wanted, compression = manifest_format(parsed), parsed.optional("dest-compress-format", str) or ""
    level = parsed.optional("dest-compress-level", int)
    compress, decompress = parsed.get("dest-compress", bool), parsed.get("dest-decompress", bool)
    if compression and compression not in _COMPRESSIONS:
        raise InvalidInput(f'cannot find compressor for "{compression}": want gzip or zstd')
    if compress and decompress:
        raise UsageError("Cannot compress and decompress at the same time")
    if level is not None:
        from ..streams.compress import check_level

        check_level(compression or "gzip", level)
    if parsed.get("dest-force-compress-format", bool) and not compression:
        raise UsageError("--dest-force-compress-format goes with --dest-compress-format")
    accepts_plain = parsed.get("dest-oci-accept-uncompressed-layers", bool)
    return Form(
        format=wanted,
        compression=compression,
        level=level,
        compress=compress or (compresses_plain_layers(parsed, destination) and not decompress),
        decompress=decompress,
        keep_plain=accepts_plain and destination.startswith(("oci:", "oci-archive:")),
        preserve_digests=parsed.get("preserve-digests", bool),
        remove_signatures=parsed.get("remove-signatures", bool),
        remove_list_signatures=parsed.get("remove-list-signatures", bool),
        max_inflated=parsed.optional("max-inflated", int),
    )


def compresses_plain_layers(parsed: Parsed, destination: str) -> bool:
    """Return whether every plain layer for ``destination`` is compressed, whatever the manifest says of it.

    That is what skopeo does, and this program where it is called skopeo.
    """
    if program() != "skopeo" or parsed.get("preserve-digests", bool):
        return False
    return destination.startswith(("docker:", "oci:", "oci-archive:"))


def manifest_format(parsed: Parsed) -> str:
    """Return the value of ``--format``, empty if it is not given; raises `UsageError`."""
    wanted = parsed.optional("format", str) or ""
    if wanted and wanted not in _FORMATS:
        raise UsageError(f"unknown format \"{wanted}\". Choose one of the supported formats: 'oci', 'v2s1', or 'v2s2'")
    return wanted
