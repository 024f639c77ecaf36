"""Files of images, as they are listed and extracted; no I/O."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from .receipt import Receipt


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file of an image.

    ``kind`` is ``file``, ``directory``, ``symlink``, ``character``, ``block`` or ``fifo``. ``mode`` are the permissions
    with the special bits, ``mtime`` is in nanoseconds since 1970 and ``size`` in bytes. ``layer`` is the number of the
    layer that the file is from, 1 for the base layer; 0 for a directory that no layer names, only files in it. ``link``
    is the target of a symbolic link, ``device`` the major and minor number of a device. Bytes of ``path`` and ``link``
    that are not UTF-8 are surrogates.
    """

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    layer: int
    link: str = ""
    device: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the file as a JSON object; ``mode`` is in octal digits."""
        value: dict[str, Any] = {
            "path": self.path, "type": self.kind, "mode": f"{self.mode:04o}", "uid": self.uid, "gid": self.gid,
            "size": self.size, "mtime": self.mtime, "layer": self.layer,
        }  # fmt: skip
        if self.link:
            value["link"] = self.link
        if self.device is not None:
            value["device"] = list(self.device)
        return value


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was extracted, and from what.

    ``receipt`` names the index or image that was asked for, the image that was chosen from it, and the blobs that were
    read. ``files`` are the paths of the regular files with their sizes in bytes and, if that was asked for, their
    sha256, else "". ``left_out`` are devices and named pipes that were not made.
    """

    receipt: Receipt
    files: tuple[tuple[str, int, str], ...] = field(repr=False)
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as a JSON object, with the files: the same for the same image and options."""
        files = [{"path": path, "size": size, "sha256": sha256} for path, size, sha256 in self.files]
        return self.receipt.to_json() | {"files": files}
