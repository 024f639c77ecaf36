"""Headers of tar archives as they are written: ustar, with pax extended headers (POSIX.1-2001, pax)."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from ..fast_dataclass import dataclass
from .tar_fields import XATTR, padded_size

_OCTAL_LIMIT = 8**11
_OWNER_LIMIT = 8**7
_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class MemberAttributes:
    """What a header says about a file besides name, size and permissions.

    ``mtime`` is in nanoseconds since 1970, ``device`` the major and minor number of a device; ``xattrs`` are extended
    attributes, names and values.
    """

    uid: int = 0
    gid: int = 0
    mtime: int = 0
    device: tuple[int, int] = (0, 0)
    xattrs: Sequence[tuple[bytes, bytes]] = ()


_NONE = MemberAttributes()


def header(
    name: str, *, mode: int, size: int = 0, kind: bytes = b"0", link: str = "", attributes: MemberAttributes = _NONE
) -> bytes:
    """Return the header blocks of a member: ustar, after a pax extended header if a field does not fit.

    ``kind`` is the type flag: ``b"0"`` for a regular file, ``b"1"`` and ``b"2"`` for a hard and a symbolic link to
    ``link``, ``b"5"`` for a directory. Surrogates in names stand for bytes that are not UTF-8.
    """
    records: dict[bytes, bytes] = {XATTR + key: value for key, value in attributes.xattrs}
    encoded, target = _encoded(name), _encoded(link)
    if size >= _OCTAL_LIMIT:
        records[b"size"] = b"%d" % size
    if len(encoded) > _NAME_LENGTH or not encoded.isascii():
        records[b"path"] = encoded
    if len(target) > _NAME_LENGTH or not target.isascii():
        records[b"linkpath"] = target
    if attributes.uid >= _OWNER_LIMIT:
        records[b"uid"] = b"%d" % attributes.uid
    if attributes.gid >= _OWNER_LIMIT:
        records[b"gid"] = b"%d" % attributes.gid
    if not _fits(attributes.mtime):
        records[b"mtime"] = _decimal(attributes.mtime)
    main = _header_block(name, mode, 0 if size >= _OCTAL_LIMIT else size, kind, link=link, attributes=attributes)
    if not records:
        return main
    content = b"".join(_record(key, records[key]) for key in sorted(records))
    directory, base = posixpath.split(name)
    extended_name = posixpath.join(directory, "PaxHeaders.0", base)
    extended = _header_block(extended_name, 0, len(content), b"x", devices=False)
    return extended + content + padding(len(content)) + main


def padding(size: int) -> bytes:
    """Return the zeros that follow content of ``size`` bytes."""
    return bytes(padded_size(size) - size)


def _header_block(
    name: str, mode: int, size: int, kind: bytes, *,
    link: str = "", attributes: MemberAttributes = _NONE, devices: bool = True,
) -> bytes:  # fmt: skip
    # As Go's archive/tar: device numbers in the headers of members, none in extended headers.
    device = b"".join(b"%07o\0" % number for number in attributes.device) if devices else bytes(16)
    owner = b"".join(b"%07o\0" % (id if id < _OWNER_LIMIT else 0) for id in (attributes.uid, attributes.gid))
    seconds = attributes.mtime // 10**9 if 0 <= attributes.mtime < _OCTAL_LIMIT * 10**9 else 0
    fields = [
        _field(name), b"%07o\0" % mode, owner, b"%011o\0" % size, b"%011o\0" % seconds,
        b" " * 8, kind, _field(link), b"ustar\x0000", bytes(32), bytes(32), device, bytes(155 + 12),
    ]  # fmt: skip
    block = bytearray(b"".join(fields))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _fits(mtime: int) -> bool:
    return 0 <= mtime < _OCTAL_LIMIT * 10**9 and mtime % 10**9 == 0


def _decimal(mtime: int) -> bytes:
    """Return seconds with the digits of nanoseconds that they need."""
    whole, rest = divmod(abs(mtime), 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if mtime < 0 else ''}{whole}{fraction}".encode()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _field(text: str) -> bytes:
    return text.encode("ascii", "ignore")[:_NAME_LENGTH].ljust(_NAME_LENGTH, b"\0")


def _record(key: bytes, value: bytes) -> bytes:
    """Return the pax record ``length key=value``, whose length includes its own digits (POSIX.1-2001)."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return str(length).encode() + rest
