"""The entries of several layouts in one ``index.json``. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import DestinationRefused
from .layout import LayoutIndex


def merge_indexes(index: LayoutIndex, others: Iterable[LayoutIndex]) -> LayoutIndex:
    """Return an index with the entries of ``others`` after its own, or itself if they are all there already.

    Of entries without a name, one is enough for a digest. Raises `DestinationRefused` for a name that refers to
    different images, since one of the two would be lost.
    """
    entries = list(index.entries)
    named, present = {name: digest for name, digest in index.images if name}, set(index.images)
    for one in others:
        for entry, (name, digest) in zip(one.entries, one.images, strict=True):
            if name and (other := named.setdefault(name, digest)) != digest:
                raise DestinationRefused(
                    f"{ascii(name)[1:-1]} is {other} in one layout and {digest} in another: give one another name"
                )
            if (name, digest) not in present:
                entries.append(entry)
                present.add((name, digest))
    merged = index.replaced_by(entries)
    return merged if merged.raw else merged.without(())  # of a new layout, which has no index yet
