"""The entries of an ``index.json`` as those of a registry: repositories with tags, and with manifests without a tag.

An entry whose reference name is ``repository:tag`` or ``repository@digest`` belongs to that repository; a host with a
port in front is no part of it. All other entries are plain: they belong to every repository.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import field
from typing import TYPE_CHECKING

from ..errors import InvalidDigest
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.reference import is_repository, is_tag

if TYPE_CHECKING:
    from .repository_contents import RepositoryContents


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """An entry of the index; ``repository`` is "" for a plain one, ``tag`` "" for one that is named by its digest.

    ``encoded`` is its JSON.
    """

    repository: str
    tag: str
    digest: Digest
    media_type: str
    size: int
    encoded: bytes


@dataclass(slots=True)
class Repository:
    """The entries of one repository; ``contents`` is what they lead to, once somebody has asked for it."""

    name: str
    tags: dict[str, RegistryEntry] = field(default_factory=dict)
    untagged: dict[Digest, RegistryEntry] = field(default_factory=dict)
    contents: RepositoryContents | None = None
    _entries: dict[Digest, RegistryEntry] = field(default_factory=dict)
    _counts: dict[Digest, int] = field(default_factory=dict)
    _order: list[tuple[str, str]] | None = None

    def add(self, entry: RegistryEntry) -> None:
        """Add an entry, in place of the one of the same name."""
        self.remove(entry)
        if entry.tag:
            self.tags[entry.tag] = entry
            if self._order is not None:
                insort(self._order, tag_order(entry.tag))
        else:
            self.untagged[entry.digest] = entry
        self._entries[entry.digest] = entry
        self._counts[entry.digest] = self._counts.get(entry.digest, 0) + 1

    def remove(self, entry: RegistryEntry) -> None:
        """Remove the entry that has the name of ``entry``, if there is one."""
        old = self.tags.pop(entry.tag, None) if entry.tag else self.untagged.pop(entry.digest, None)
        if old is None:
            return
        if old.tag and self._order is not None:
            del self._order[bisect_right(self._order, tag_order(old.tag)) - 1]
        self._counts[old.digest] -= 1
        if not self._counts[old.digest]:
            del self._counts[old.digest], self._entries[old.digest]

    def entry_of(self, digest: Digest) -> RegistryEntry | None:
        """Return an entry of a manifest, by any of its names."""
        return self._entries.get(digest)

    @property
    def has_entries(self) -> bool:
        """Whether there is any entry."""
        return bool(self._entries)

    @property
    def roots(self) -> dict[Digest, str]:
        """The digests of the entries, with their media types."""
        return {digest: entry.media_type for digest, entry in self._entries.items()}

    def entries_of(self, digest: Digest) -> list[RegistryEntry]:
        """Return all entries of a manifest."""
        if digest not in self._counts:
            return []
        every = (*self.tags.values(), *self.untagged.values())
        return [entry for entry in every if entry.digest == digest]

    def count_of(self, digest: Digest) -> int:
        """Return the number of entries of a manifest."""
        return self._counts.get(digest, 0)

    def tags_after(self, last: str, count: int) -> tuple[list[str], bool]:
        """Return up to ``count`` tags after ``last``, in the order of the specification, and whether there are more."""
        if self._order is None:
            self._order = sorted(map(tag_order, self.tags))
        start = bisect_right(self._order, tag_order(last)) if last else 0
        return [tag for _, tag in self._order[start : start + count]], start + count < len(self._order)


def tag_order(tag: str) -> tuple[str, str]:
    """Return the sort key of a tag: lexical order, case-insensitive ("Listing Tags")."""
    return tag.lower(), tag


def split_entry_name(name: str) -> tuple[str, str, Digest | None] | None:
    """Return the repository, the tag and the digest that a reference name states; None for a plain name."""
    head, at, rest = name.partition("@")
    digest, tag = None, ""
    if at:
        try:
            digest = Digest.parse(rest)
        except InvalidDigest:
            return None
        base, _, pulled = head.rpartition(":")
        if base and is_tag(pulled):
            head = base  # a tag beside a digest says nothing
    else:
        head, _, tag = name.rpartition(":")
        if not is_tag(tag):
            return None
    first, slash, below = head.partition("/")
    repository = below if slash and ":" in first else head
    return (repository, tag, digest) if is_repository(repository) else None
