"""How two images differ: platforms, annotations, configuration, layers and files. Sizes are in bytes."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from .descriptor import Descriptor
    from .digest import Digest
    from .extracted_files import ImageFile
    from .platform import Platform

Change: TypeAlias = Literal["added", "removed", "changed"]
"""What became of something on the way from the first image to the second."""


@dataclass(frozen=True, slots=True)
class ComparedImage:
    """One of the two images.

    ``root`` is the digest of what ``name`` stands for, ``digest`` that of the image itself: another one if it was
    chosen from an index. ``size`` is that of its layers as they are stored.
    """

    name: str
    root: Digest
    digest: Digest
    media_type: str
    platform: Platform | None
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``diff --json`` prints."""
        return {
            "name": self.name, "root": str(self.root), "digest": str(self.digest), "mediaType": self.media_type,
            "platform": None if self.platform is None else str(self.platform), "size": self.size,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """A value that differs: ``first`` and ``second`` are JSON texts, None where it is not there.

    ``key`` is what it is called, with dots: ``config.Labels.version``. Environment variables have their names in it,
    as in ``config.Env.PATH``, although the configuration has a list of them.
    """

    key: str
    first: str | None
    second: str | None

    @property
    def change(self) -> Change:
        """What became of the value."""
        return "added" if self.first is None else "removed" if self.second is None else "changed"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``diff --json`` prints."""
        from json import loads

        values = {"first": self.first, "second": self.second}
        return {"key": self.key, "change": self.change} | {
            name: loads(text) for name, text in values.items() if text is not None
        }


@dataclass(frozen=True, slots=True)
class ComparedLayer:
    """A layer of one image or of both: ``first`` and ``second`` are its numbers there, 0 where it is not.

    Layers are the same if their diff IDs are, or without these their digests; they may be stored in different forms
    then, and ``descriptor`` is that of the first image that has it.
    """

    content: Digest
    descriptor: Descriptor
    first: int
    second: int

    @property
    def is_shared(self) -> bool:
        """Whether both images have it."""
        return bool(self.first and self.second)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``diff --json`` prints."""
        return {
            "digest": str(self.descriptor.digest), "size": self.descriptor.size, "content": str(self.content),
            "first": self.first or None, "second": self.second or None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileDifference:
    """A file that differs; ``first`` is None if it was added, ``second`` if it was removed.

    ``aspects`` say what has changed: ``type``, ``content``, ``link``, ``device``, ``mode``, ``owner``, ``xattrs``,
    ``mtime``. The content of a regular file is the same if its sha256 is.
    """

    path: str
    first: ImageFile | None
    second: ImageFile | None
    aspects: tuple[str, ...] = ()

    @property
    def change(self) -> Change:
        """What became of the file."""
        return "added" if self.first is None else "removed" if self.second is None else "changed"

    @property
    def growth(self) -> int:
        """By how many bytes the content grew."""
        return (self.second.size if self.second else 0) - (self.first.size if self.first else 0)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``diff --json`` prints."""
        value: dict[str, Any] = {"path": self.path, "change": self.change}
        if self.aspects:
            value["aspects"] = list(self.aspects)
        for name, file in (("first", self.first), ("second", self.second)):
            if file is not None:
                value[name] = {key: item for key, item in file.to_json().items() if key != "path"}
        return value


@dataclass(frozen=True, slots=True)
class ImageComparison:
    """How two images differ.

    ``platforms`` are those of two indexes whose images are not the same, with the digests. ``layers`` are those of both
    images, sorted by their numbers; ``same_layers`` is whether both have the same in the same order. ``files`` are
    sorted by path; None: they were not compared. ``touched`` is the number of files that differ in the time of their
    last change only: these are in ``files`` only if that was asked for.
    """

    first: ComparedImage
    second: ComparedImage
    platforms: tuple[ValueDifference, ...] = ()
    annotations: tuple[ValueDifference, ...] = ()
    config: tuple[ValueDifference, ...] = ()
    layers: tuple[ComparedLayer, ...] = ()
    files: tuple[FileDifference, ...] | None = field(default=None, repr=False)
    touched: int = 0
    same_layers: bool = True

    @property
    def is_same(self) -> bool:
        """Whether nothing differs but how manifests and layers are stored: media types and compression."""
        return self.same_layers and not (self.platforms or self.annotations or self.config)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``diff --json`` prints."""
        value: dict[str, Any] = {
            "same": self.is_same, "first": self.first.to_json(), "second": self.second.to_json(),
            "platforms": [one.to_json() for one in self.platforms],
            "annotations": [one.to_json() for one in self.annotations],
            "config": [one.to_json() for one in self.config],
            "layers": [one.to_json() for one in self.layers],
        }  # fmt: skip
        if self.files is not None:
            value |= {"files": [one.to_json() for one in self.files], "touched": self.touched}
        return value
