"""Refuse two images with one name at the destination, for any number of images; no I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import InvalidInput

if TYPE_CHECKING:
    from .plan_file import PlannedImage


class DistinctNames:
    """The names of images so far, as numbers of 64 bits: a million of them need about 100 MB."""

    def __init__(self) -> None:
        self._sources: dict[int, int] = {}
        self._parents: set[int] = set()

    def take(self, images: Iterable[PlannedImage]) -> Iterator[PlannedImage]:
        """Yield the images that were not there before.

        Raises `InvalidInput` for another image with the same name at the destination, and for directories within each
        other, since a directory is replaced with whatever is in it.
        """
        for image in images:
            name, source = hash(image.destination), hash(image.source)
            known = self._sources.get(name)
            if known == source:
                continue
            if known is not None:
                raise InvalidInput(
                    f"{image.source} and another image would both be written to {image.destination}: "
                    "--scoped keeps the whole path of each, and --map gives other names"
                )
            self._sources[name] = source
            if image.destination.startswith("dir:"):
                self._check_directory(image, name)
            yield image

    def _check_directory(self, image: PlannedImage, name: int) -> None:
        parent = posixpath.dirname(image.destination)
        within = name in self._parents
        while "/" in parent:
            key = hash(parent)
            within = within or key in self._sources
            self._parents.add(key)
            parent = posixpath.dirname(parent)
        if within:
            raise InvalidInput(
                f"{image.source} would be written to {image.destination}, which is within the directory of another "
                "image, or has one within: choose another destination for one of them"
            )
