"""The entries of a layer: what a member of its tar archive says about one path (OCI image specification, layer.md).

Whatever programs are known to read in different ways, or could lead out of the image's root, is refused here, so that
the rest of this room deals with plain relative paths only.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidContent
from ..storage.tar_fields import XATTR, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..storage.tar_headers import TarEntry

LONGEST_PATH = 4096
"""Bytes of a path or of a link's target, as Linux allows them (PATH_MAX)."""
DEEPEST = 200
"""The maximum number of names in a path: each of its directories is open while files are written below it."""
_WHITEOUT, _META, _OPAQUE = ".wh.", ".wh..wh.", ".wh..wh..opq"
_LARGEST_ID = 2**32 - 2
# Seconds since 1970; what is beyond is set to the nearest of them. No file system of today keeps later ones.
_EARLIEST, _LATEST = -(2**31), 2**34
_NO_DEVICE = (0, 0)
_TIME = re.compile(rb"(-?)([0-9]{1,20})(?:\.([0-9]{0,50}))?", re.ASCII)


class Kind(Enum):
    """The kind of a file; the values are letters as ``ls -l`` prints them, with ``h`` for a hard link."""

    FILE = "-"
    DIRECTORY = "d"
    SYMLINK = "l"
    HARDLINK = "h"
    CHARACTER = "c"
    BLOCK = "b"
    FIFO = "p"


_KINDS = {
    b"0": Kind.FILE, b"1": Kind.HARDLINK, b"2": Kind.SYMLINK, b"3": Kind.CHARACTER, b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY, b"6": Kind.FIFO,
}  # fmt: skip


class Entry(NamedTuple):
    """One path of a layer.

    ``path`` has neither a slash at either end nor ``.`` or ``..`` in it; "" is the root. ``mode`` has the permissions
    with set-user-ID, set-group-ID and sticky bits. ``mtime`` is in nanoseconds since 1970, ``size`` in bytes. ``link``
    is the target of a symbolic link as it is, or the path of a hard link's target. ``device`` are major and minor
    number. ``layer`` is the number of the layer, from 1 for the base layer, ``position`` that of the member within it.
    ``content`` is the sha256 of a regular file's content, b"" where it was not computed.
    """

    path: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    link: str
    device: tuple[int, int]
    xattrs: tuple[tuple[bytes, bytes], ...]
    layer: int
    position: int
    content: bytes = b""

    @property
    def key(self) -> tuple[int, int]:
        """What identifies the content: hard links to one file have it in common."""
        return self.layer, self.position


class Whiteout(NamedTuple):
    """Removes ``path`` of lower layers, or all that they have below it if it is ``opaque``."""

    path: str
    opaque: bool


def read_member(member: TarEntry, layer: int, position: int, where: str) -> Entry | Whiteout | None:
    """Return what a member of a layer's archive stands for; None for what only old storage drivers understand.

    ``where`` names the layer in errors. Raises `InvalidContent`.
    """
    try:
        path = normalized(member.name)
        if _WHITEOUT in path:
            if _is_metadata(path):
                return None
            if (whiteout := _whiteout(path)) is not None:
                return whiteout
        return _entry(member, path, layer, position)
    except ValueError as error:
        raise InvalidContent(f"{where}: {ascii(member.name)[:200]} {error}") from None


def _entry(member: TarEntry, path: str, layer: int, position: int) -> Entry:
    """Return the entry for a member; raises `ValueError`, as all functions below do, with the end of a sentence."""
    kind = _KINDS.get(member.kind)
    if kind is None:
        raise ValueError(f"is of type {ascii(member.kind)[1:]}, which is not supported")
    if member.sparse:
        raise ValueError("is a sparse file, which is not supported")
    if not path and kind is not Kind.DIRECTORY:
        raise ValueError("would replace the root directory with something else")
    header, records = member.header, member.records
    return Entry(
        path,
        kind,
        (number(header[100:108]) or 0) & 0o7777,
        _owner(records.get(b"uid"), header[108:116]),
        _owner(records.get(b"gid"), header[116:124]),
        _mtime(records.get(b"mtime"), header[136:148]),
        member.size if kind is Kind.FILE else 0,
        _link(member.link, kind) if member.link or kind is Kind.SYMLINK else "",
        _device(header) if kind is Kind.CHARACTER or kind is Kind.BLOCK else _NO_DEVICE,
        _xattrs(records) if records else (),
        layer,
        position,
    )


def normalized(name: str) -> str:
    """Return a path without ``.`` and slashes at its ends; one from the root is the same as one below it.

    Raises `ValueError` for one with ``..``, or that is too long.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError("leads out of its directory")
    path = "/".join(parts)
    if len(path) > LONGEST_PATH or (
        4 * len(path) > LONGEST_PATH and len(path.encode("utf-8", "surrogateescape")) > LONGEST_PATH
    ):
        raise ValueError(f"is longer than {LONGEST_PATH} bytes")
    if len(parts) > DEEPEST:
        raise ValueError(f"is more than {DEEPEST} directories deep")
    return path


def _is_metadata(path: str) -> bool:
    """Return whether a path is one of those that aufs kept its own records in."""
    return path.rpartition("/")[2] != _OPAQUE and any(part.startswith(_META) for part in path.split("/"))


def _whiteout(path: str) -> Whiteout | None:
    """Return the whiteout that a path stands for, None for any other file."""
    *directories, name = path.split("/")
    if any(part.startswith(_WHITEOUT) for part in directories):
        raise ValueError("is in a directory with the name of a whiteout")
    if name == _OPAQUE:
        return Whiteout("/".join(directories), opaque=True)
    if not name.startswith(_WHITEOUT):
        return None
    removed = name[len(_WHITEOUT) :]
    if removed in ("", ".", ".."):
        raise ValueError("is a whiteout of no file")
    return Whiteout("/".join((*directories, removed)), opaque=False)


def _link(link: str, kind: Kind) -> str:
    if kind is Kind.HARDLINK:
        try:
            target = normalized(link)
        except ValueError as error:
            raise ValueError(f"is a hard link to {ascii(link)[:200]}, which {error}") from None
        if not target:
            raise ValueError("is a hard link to a directory")
        return target
    if kind is Kind.SYMLINK and not 0 < len(link.encode("utf-8", "surrogateescape")) < LONGEST_PATH:
        raise ValueError(f"is a symbolic link whose target is empty or longer than {LONGEST_PATH} bytes")
    return link


def _owner(record: bytes | None, field: bytes) -> int:
    found = number(field) if record is None else int(record) if record.isdigit() and len(record) < 20 else None
    if found is None or found > _LARGEST_ID:
        raise ValueError("has an owner that is no number of a user or group")
    return found


def _mtime(record: bytes | None, field: bytes) -> int:
    """Return the time in nanoseconds; of a time that cannot be read, 0, since nothing depends on it."""
    if record is None:
        return _clamped(number(field) or 0) * 10**9
    match = _TIME.fullmatch(record)
    if match is None:
        return 0
    sign, seconds, fraction = match.groups()
    whole = _clamped(int(seconds))
    exact = whole * 10**9 + (int((fraction or b"0")[:9].ljust(9, b"0")) if whole == int(seconds) else 0)
    return max(-exact, _EARLIEST * 10**9) if sign else exact


def _clamped(seconds: int) -> int:
    return min(seconds, _LATEST)


def _device(header: bytes) -> tuple[int, int]:
    major, minor = number(header[329:337]), number(header[337:345])
    if major is None or minor is None or max(major, minor) >= 8**7:
        raise ValueError("is a device without a number")
    return major, minor


def _xattrs(records: Mapping[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(sorted((key[len(XATTR) :], value) for key, value in records.items() if key.startswith(XATTR)))
