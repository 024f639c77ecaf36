"""Find what refers to images, what refers to that in turn, and so on, level by level and within limits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, RegistryError, TooLarge, Unsupported
from ..fast_dataclass import replace
from ..model.referrer import MAX_REFERRERS, Referrer, artifact_type
from ..streams.concurrency import work_off

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import TypeAlias

    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest

    Level: TypeAlias = list[tuple[Digest, tuple[Referrer, ...]]]

REFERRERS_AT_ONCE = 32
"""The number of requests for referrers that are under way at the same time."""
_MAX_DEPTH = 8
# How many manifests are asked for what refers to them, and how many characters all annotations may have.
_MAX_LOOKUPS, _MAX_TEXT = 1000, 64 * 1024 * 1024


class ReferrerWalk:
    """Lists the referrers of images: those of the images themselves have depth 1, the deepest that are listed 8.

    ``types`` are the artifact types that are wanted at depth 1, () for all; with ``read_types`` a referrer whose
    descriptor states none is read to find out. ``subjects`` is whether manifests that name a subject are listed,
    ``cosign_tags`` whether images with cosign's tags are; with ``all_tags`` these are listed whatever their type is.
    ``lookups`` is how many manifests may be asked for what refers to them (None: 1000), ``depth`` how deep that goes.
    """

    def __init__(
        self, source: ImageSource, *, types: Sequence[str] = (), subjects: bool = True, cosign_tags: bool = True,
        all_tags: bool = False, read_types: bool = True, lookups: int | None = None, depth: int = _MAX_DEPTH,
    ) -> None:  # fmt: skip
        self._source, self._types = source, tuple(dict.fromkeys(types))
        self._subjects, self._tags, self._all_tags = subjects, cosign_tags, all_tags
        self._read_types, self._depth = read_types or bool(types), depth
        self._lookups = _MAX_LOOKUPS if lookups is None else lookups
        self._found: dict[Digest, tuple[Referrer, ...]] = {}
        self._attestations: dict[Digest, tuple[Referrer, ...]] = {}
        self._placed: set[Digest] = set()
        self._unread: set[Digest] = set()
        self._count = self._text = self._types_read = 0

    @property
    def unread(self) -> int:
        """The number of referrers that were not read, or not asked for what refers to them."""
        return len(self._unread)

    async def add_attestations(self, digest: Digest, entries: Sequence[Descriptor]) -> None:
        """Add entries of the index that are attestations of the image ``digest``."""
        self._attestations[digest] = await self._typed([Referrer(one, "", "index entry") for one in entries])

    async def run(self, subjects: Sequence[Digest]) -> None:
        """List what refers to ``subjects``, and so on down; raises what listing raises."""
        async for _ in self.levels(subjects):
            pass

    async def levels(self, subjects: Sequence[Digest]) -> AsyncIterator[Level]:
        """Yield what refers to ``subjects``, then what refers to that, and so on, with the digest that it refers to.

        Raises the source's errors, and `TooLarge` for more than 10,000 referrers.
        """
        level, types = list(dict.fromkeys(subjects)), self._types
        self._placed |= set(subjects)
        for depth in range(self._depth + 1):
            allowed = max(0, self._lookups - len(self._found)) if depth < self._depth else 0
            self._unread |= set(level[allowed:])
            level = level[:allowed]
            if not level:
                return
            await work_off(level, partial(self._look_up, types=types), at_once=REFERRERS_AT_ONCE)
            for digest in level:
                self._found[digest] = tuple(map(self._place, self._found[digest]))
            yield [(digest, self._found[digest]) for digest in level]
            level = [one.descriptor.digest for digest in level for one in self._found[digest] if not one.repeated]
            types = ()

    def tree(self, digest: Digest) -> tuple[Referrer, ...]:
        """Return the referrers of a manifest with theirs, at most 8 levels deep."""
        return tuple(
            one if one.repeated else replace(one, referrers=self.tree(one.descriptor.digest))
            for one in self._found.get(digest, ())
        )

    def _place(self, one: Referrer) -> Referrer:
        """Return a referrer as it is for the first time, else as a repeated one: so cycles end."""
        digest = one.descriptor.digest
        if digest in self._placed:
            return replace(one, repeated=True)
        self._placed.add(digest)
        return one

    async def _look_up(self, digest: Digest, types: tuple[str, ...]) -> None:
        listed: list[Referrer] = []
        if self._subjects:
            listed += await self._source.referrers(digest, types[0] if len(types) == 1 else "")
        if self._tags:
            listed += await self._source.cosign_tags(digest)
        self._count += len(listed)
        if self._count > MAX_REFERRERS:
            raise TooLarge(f"more than {MAX_REFERRERS} referrers in total: given up", limit=MAX_REFERRERS)
        self._text += sum(len(key) + len(text) for one in listed for key, text in one.descriptor.annotations.items())
        if self._text > _MAX_TEXT:
            raise TooLarge(f"the annotations of referrers are over {_MAX_TEXT} characters: given up", limit=_MAX_TEXT)
        found = (*self._attestations.get(digest, ()), *await self._typed(listed))
        self._found[digest] = tuple(one for one in found if not types or self._is_wanted(one, types))

    def _is_wanted(self, one: Referrer, types: tuple[str, ...]) -> bool:
        return one.artifact_type in types or (self._all_tags and one.origin == "cosign tag")

    async def _typed(self, listed: Sequence[Referrer]) -> tuple[Referrer, ...]:
        """Return the referrers with their types; those whose descriptors state none are read."""
        typed = {position: one for position, one in enumerate(listed) if one.artifact_type}
        untyped = [(position, one) for position, one in enumerate(listed) if not one.artifact_type]
        allowed = max(0, self._lookups - self._types_read) if self._read_types else 0
        self._types_read += len(untyped)
        if self._read_types:
            self._unread |= {one.descriptor.digest for _, one in untyped[allowed:]}

        async def read(item: tuple[int, Referrer]) -> None:
            position, one = item
            typed[position] = replace(one, artifact_type=await self._read_type(one.descriptor))

        await work_off(untyped[:allowed], read, at_once=REFERRERS_AT_ONCE)
        return tuple(typed.get(position, one) for position, one in enumerate(listed))

    async def _read_type(self, descriptor: Descriptor) -> str:
        try:
            return artifact_type(await self._source.for_referrers().manifest(descriptor))
        except (NotFound, InvalidContent, Unsupported):  # listed, and not there, or no manifest
            return ""
        except RegistryError as error:
            if error.status != 404:
                raise
            return ""
