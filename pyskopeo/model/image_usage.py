"""Where the bytes of an image are: by path, by layer, and what later layers have made useless. Sizes are in bytes."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from .descriptor import Descriptor
    from .digest import Digest
    from .platform import Platform


@dataclass(frozen=True, slots=True)
class PathUsage:
    """A directory with all that is below it, or a file, in the merged view of the layers.

    ``files`` is the number of regular files. A file with several hard links counts once, at the first of its paths.
    ``depth`` is the number of names in ``path`` below the path that was asked for, which has 0.
    """

    path: str
    is_directory: bool
    size: int
    files: int
    depth: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``du --json`` prints."""
        return {
            "path": self.path, "type": "directory" if self.is_directory else "file", "size": self.size,
            "files": self.files,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class LayerUsage:
    """A layer: ``number`` 1 is the base layer.

    The size of ``descriptor`` is that of the layer as it is stored, ``size`` and ``files`` are those of the regular
    files in it. ``wasted`` and ``wasted_files`` are the part of these that no container sees, since a later layer, or
    the layer itself, replaces or deletes them. ``created_by`` is the build step that made it, "" if that is not known.
    """

    number: int
    descriptor: Descriptor
    diff_id: Digest
    size: int
    files: int
    wasted: int
    wasted_files: int
    created_by: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``du --json`` prints."""
        return {
            "layer": self.number, "digest": str(self.descriptor.digest), "diffId": str(self.diff_id),
            "stored": self.descriptor.size, "size": self.size, "files": self.files, "wasted": self.wasted,
            "wastedFiles": self.wasted_files, "createdBy": self.created_by,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class WastedFile:
    """A file of ``layer`` that the layer ``by`` replaced, or ``deleted``."""

    path: str
    size: int
    layer: int
    by: int
    deleted: bool

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``du --json`` prints."""
        return {"path": self.path, "size": self.size, "layer": self.layer, "by": self.by, "deleted": self.deleted}


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """Where the bytes of the image ``name`` are; ``digest`` is that of the image itself, chosen from an index or not.

    ``paths`` has the path that was asked for first, then what is below it, sorted by names, each directory before what
    is in it. ``layers`` begin with the base layer. ``wasted`` are the largest files first.
    """

    name: str
    digest: Digest
    platform: Platform | None
    paths: tuple[PathUsage, ...] = field(repr=False)
    layers: tuple[LayerUsage, ...]
    wasted: tuple[WastedFile, ...] = field(repr=False, default=())

    @property
    def stored(self) -> int:
        """The size of all layers as they are stored; one that the image has twice counts once."""
        return sum({layer.descriptor.digest: max(0, layer.descriptor.size) for layer in self.layers}.values())

    @property
    def size(self) -> int:
        """The size of the files that a container sees."""
        return self.layer_size - self.wasted_size

    @property
    def files(self) -> int:
        """The number of the files that a container sees."""
        return sum(layer.files for layer in self.layers) - len(self.wasted)

    @property
    def layer_size(self) -> int:
        """The size of all files in all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def wasted_size(self) -> int:
        """The size of the files that no container sees."""
        return sum(layer.wasted for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``du --json`` prints."""
        return {
            "name": self.name, "digest": str(self.digest),
            "platform": None if self.platform is None else str(self.platform),
            "stored": self.stored, "size": self.size, "files": self.files, "wasted": self.wasted_size,
            "paths": [path.to_json() for path in self.paths],
            "layers": [layer.to_json() for layer in self.layers],
            "wastedFiles": [file.to_json() for file in self.wasted],
        }  # fmt: skip
