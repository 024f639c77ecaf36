"""The fields of headers of tar archives: numbers, names, checksums and the records of pax extended headers."""

from __future__ import annotations

BLOCK = 512
SPARSE = b"GNU.sparse."
XATTR = b"SCHILY.xattr."
_CHECKSUM = slice(148, 156)
_NAMES = (b"path", b"linkpath", b"size")
# Those besides names and sizes that files are made with.
_ATTRIBUTES = (b"mtime", b"uid", b"gid")


def padded_size(size: int) -> int:
    """Return the number of bytes that content of ``size`` bytes takes in an archive: a multiple of 512."""
    return size + -size % BLOCK


def is_header(block: bytes) -> bool:
    """Return whether a block of 512 bytes has the checksum of a header: of unsigned bytes, or of signed ones.

    Some old programs add up signed bytes.
    """
    stated = number(block[_CHECKSUM])
    unsigned = sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ")
    if unsigned == stated:
        return True
    counted = block[: _CHECKSUM.start] + block[_CHECKSUM.stop :]
    return unsigned - 256 * sum(byte > 127 for byte in counted) == stated


def parse_records(content: bytes) -> dict[bytes, bytes]:
    """Parse the records ``length key=value`` of a pax extended header, in linear time (POSIX.1-2001, pax).

    Returns those about names, sizes, sparse files, owners, times and extended attributes that have a value; of two with
    the same key the last one counts. Raises `ValueError`.
    """
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(content):
        if not content[position] and not any(content[position:]):
            break  # padding
        space = content.find(b" ", position, position + 8)  # no more digits in a header of 1 MiB
        digits = content[position:space] if space > 0 else b""
        if not digits.isdigit():
            raise ValueError("a pax record without a length")
        end = position + int(digits)
        record = content[space + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(content) or not record.endswith(b"\n") or not equals or not key:
            raise ValueError("a pax record of another length than it states")
        if key in _NAMES or key in _ATTRIBUTES or key.startswith((SPARSE, XATTR)):
            records[key] = value
        position = end
    return {key: value for key, value in records.items() if value}


def states_names(records: dict[bytes, bytes]) -> bool:
    """Return whether records are about names, sizes or sparse files."""
    return any(key in _NAMES or key.startswith(SPARSE) for key in records)


def number(field: bytes) -> int | None:
    """Return the number in a field: octal digits, or base 256 as GNU tar has it; None if it is neither, or negative."""
    if field[0] & 0x80:
        return None if field[0] & 0x40 else int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    digits = field.strip(b" \0")
    # Of digits after a NUL, programs disagree whether they count.
    if not digits:
        return 0
    if not digits.isdigit() or not field[0]:
        return None
    try:
        return int(digits, 8)
    except ValueError:
        return None


def header_name(block: bytes) -> bytes:
    """Return the name in a header, with its prefix."""
    name = string(block[:100])
    # Only POSIX has a prefix; GNU tar keeps times in this place.
    if block[257:263] != b"ustar\0":
        return name
    prefix = string(block[345:476] if block[508:] == b"tar\0" else block[345:500])
    return prefix + b"/" + name if prefix else name


def string(field: bytes) -> bytes:
    """Return the text in a field, which ends at the first NUL."""
    return field.partition(b"\0")[0]


def text(name: bytes) -> str:
    """Return a name as text; bytes that are not UTF-8 become surrogates."""
    return name.decode("utf-8", "surrogateescape")
