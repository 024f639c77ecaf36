"""Whether two images on the same base can be compared without reading that base; no I/O.

They can if their own layers put the same paths into the same places, so that the base has the same part in both, and
only contents and attributes differ: as after building twice, or after a change of files that were there before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .entry import Kind

if TYPE_CHECKING:
    from .image_layers import Layer
    from .overlay import LayerEntries


def shared_base(first: Sequence[Layer], second: Sequence[Layer]) -> int:
    """Return the number of layers, from the base layer on, that two images have in common."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one.content != other.content:
            break
        count += 1
    return count


def is_base_needless(first: Sequence[LayerEntries], second: Sequence[LayerEntries]) -> bool:
    """Return whether the layers above a shared base tell all differences between two images.

    Layer by layer they have to have the same names, kinds, targets of links and whiteouts, in the same order: what
    becomes of those of the base depends on nothing else. And they have to name every directory that they have something
    in: otherwise it may be a symbolic link of the base, and two names may be those of one file.
    """
    if len(first) != len(second):
        return False
    for one, other in zip(first, second, strict=True):
        if one.whiteouts != other.whiteouts or len(one.entries) != len(other.entries):
            return False
        if any(a[:2] != b[:2] or a.link != b.link for a, b in zip(one.entries, other.entries, strict=True)):
            return False
    return _names_its_directories(first)


def _names_its_directories(layers: Sequence[LayerEntries]) -> bool:
    """Return whether whatever is in layers is in directories that they, or layers below them, name, and that stay."""
    named, others = {""}, set[str]()
    for layer in layers:
        named.update(entry.path for entry in layer.entries if entry.kind is Kind.DIRECTORY)
        others.update(entry.path for entry in layer.entries if entry.kind is not Kind.DIRECTORY)
        others.update(whiteout.path for whiteout in layer.whiteouts if not whiteout.opaque)
        inside = (
            *(entry.path.rpartition("/")[0] for entry in layer.entries),
            *(one.path if one.opaque else one.path.rpartition("/")[0] for one in layer.whiteouts),
        )
        if not named.issuperset(inside) or not named.isdisjoint(others):
            return False
    return True
