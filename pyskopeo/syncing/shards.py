"""Divide the images of a plan into shards, one for each machine; no I/O.

An image is in the same shard whatever the order of the lines. Images that share a base are in one shard, so that its
blobs are moved once, unless they are more than a fair share of the whole: then each repository is in one shard, and of
a repository that is more than that each image. The parts are given out the most expensive first, each to the shard
that has the least so far.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .places import repository_of

if TYPE_CHECKING:
    from .plan_file import PlannedImage

MAX_SHARDS = 10_000
# A request takes as long as so many bytes: with 30 ms for a round trip, and 50 MB/s.
_REQUEST = 1_500_000
_LEVELS = 3  # bases, repositories, images


@dataclass(frozen=True, slots=True)
class Shard:
    """Number ``number``, from 1, of ``count`` shards."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse ``I/N``; raises `InvalidInput`, also if there is no such shard."""
        number, slash, count = text.partition("/")
        if not slash or not all(part.isascii() and part.isdecimal() and len(part) < 8 for part in (number, count)):
            raise InvalidInput(f"invalid shard {ascii(text)[:60]}: want I/N, such as 1/4, the first of four")
        found = cls(int(number), int(count))
        if not 1 <= found.count <= MAX_SHARDS:
            raise InvalidInput(f"invalid shard {text}: want between 1 and {MAX_SHARDS} shards")
        if not 1 <= found.number <= found.count:
            raise InvalidInput(f"there is no shard {text}: shards are numbered from 1/{found.count} to {count}/{count}")
        return found

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def choose_shard(read: Callable[[], Iterable[PlannedImage]], shard: Shard) -> Iterator[PlannedImage]:
    """Return the images of one shard, in the order of the plan.

    ``read`` reads the plan from its beginning; it is called once, and then once for each level of parts that there
    are. In memory are two numbers for each base, and for each repository and image that has to be separated.
    """
    if shard.count == 1:
        return iter(read())
    shards = _assign(_parts(read, shard.count), shard.count)

    def wanted(image: PlannedImage) -> bool:
        keys = _keys(image)
        return next(shards[key] for key in keys if key in shards) == shard.number

    return filter(wanted, read())


def cost(image: PlannedImage) -> int:
    """Return what an image costs, in bytes: a request counts as the bytes that could be moved meanwhile."""
    return image.requests * _REQUEST + (image.size or 0) + 1


def _keys(image: PlannedImage) -> tuple[int, int, int]:
    """Return the keys of the parts that an image may be in: those with its base, of its repository, itself."""
    repository = repository_of(image.source)
    base = image.base or repository
    return _key(base), _key(base, repository), _key(image.source, image.destination)


def _key(*texts: str) -> int:
    """Return a number for texts: the same in every process, other than that of `hash`."""
    joined = "\0".join((str(len(texts)), *texts)).encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(joined, digest_size=8).digest())


def _parts(read: Callable[[], Iterable[PlannedImage]], count: int) -> dict[int, int]:
    """Return the cost of each part by its key; a part is more than a fair share only if it is one image."""
    parts: dict[int, int] = {}
    large: set[int] = set()
    share = 0.0
    for level in range(_LEVELS):
        found: dict[int, int] = {}
        for image in read():
            keys = _keys(image)
            if level == 0 or keys[level - 1] in large:
                found[keys[level]] = found.get(keys[level], 0) + cost(image)
        share = share or sum(found.values()) / count
        large = {key for key, total in found.items() if total > share}
        parts |= found
        if not large or level == _LEVELS - 1:
            break
        for key in large:
            del parts[key]
    return parts


def _assign(parts: dict[int, int], count: int) -> dict[int, int]:
    """Return the number of the shard of each part."""
    loads = [(0, number) for number in range(1, count + 1)]
    shards: dict[int, int] = {}
    for key in sorted(parts, key=lambda key: (-parts[key], key)):
        load, number = heapq.heappop(loads)
        shards[key] = number
        heapq.heappush(loads, (load + parts[key], number))
    return shards
