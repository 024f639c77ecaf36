"""The tags and images of an OCI layout, as a registry serves them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from ..errors import InvalidContent, InvalidName, NotFound
from ..fast_dataclass import dataclass
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.layout import INDEX_FILE, INDEX_LIMIT, REF_NAME, LayoutIndex
from ..model.manifest import Manifest
from ..model.reference import Reference
from ..model.strict_json import MANIFEST_LIMIT
from ..storage.files import open_regular, storage_errors

_CONTAINERD_NAME = "io.containerd.image.name"
# The coarsest resolution of file times: two changes within it may have the same time.
_CLOCK_STEP_NS = 2_000_000_000
_ATTEMPTS, _PAUSE = 25, 0.02

FileState: TypeAlias = tuple[int, ...]
"""Times in nanoseconds, size in bytes and identity of a file: equal as long as the file is unchanged."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The contents of an index.json.

    ``types`` are the media types of its entries. ``synthesized`` are indexes that are not blobs, because
    index.json itself is the image (a flat layout). ``ambiguous`` are the tags of several images.
    """

    tags: Mapping[str, Digest]
    ambiguous: Mapping[str, Sequence[Descriptor]]
    types: Mapping[Digest, str]
    synthesized: Mapping[Digest, Manifest]

    @classmethod
    def of(cls, index: LayoutIndex) -> Catalog:
        """Group the entries by tag, with the same precedence as `LayoutIndex.find`."""
        usable = [d for d in index.descriptors if d.is_manifest or not d.media_type]
        claims: dict[str, tuple[int, list[Descriptor]]] = {}
        for descriptor in usable:
            for rank, tag in _tags_of(descriptor):
                best = claims.get(tag)
                if best is None or rank < best[0]:
                    claims[tag] = (rank, [descriptor])
                elif rank == best[0]:
                    best[1].append(descriptor)
        found = {tag: claimants for tag, (_, claimants) in claims.items()}
        tags: dict[str, Digest] = {}
        synthesized: dict[Digest, Manifest] = {}
        for tag, claimants in (found or {"": usable}).items():
            with suppress(NotFound, InvalidContent):
                # find() takes linear time, so it is called only for entries that differ.
                one = len({d.digest for d in claimants}) == 1
                root = claimants[0] if one else index.find(tag, INDEX_FILE)
                if isinstance(root, Manifest) and len(root.raw) > MANIFEST_LIMIT:
                    continue
                tags[tag or "latest"] = root.digest
                if isinstance(root, Manifest):
                    synthesized[root.digest] = root
        ambiguous = {tag: claimants for tag, claimants in found.items() if tag not in tags}
        return cls(tags, ambiguous, {d.digest: d.media_type for d in usable}, synthesized)

    def resolve(self, name: str, tag: str) -> Digest | None:
        """Return the digest of the image with ``tag`` in repository ``name``, or None."""
        if found := self.tags.get(tag):
            return found
        own = {d.digest for d in self.ambiguous.get(tag, ()) if any(_is_full_name(n, name, tag) for n in _names(d))}
        return own.pop() if len(own) == 1 else None

    def tags_in(self, name: str) -> list[str]:
        """Return the tags that `resolve` finds in ``name``, in the order of the specification."""
        return sorted((*self.tags, *(t for t in self.ambiguous if self.resolve(name, t))), key=order)


def _names(descriptor: Descriptor) -> tuple[str, str]:
    return descriptor.annotations.get(REF_NAME, ""), descriptor.annotations.get(_CONTAINERD_NAME, "")


def _tags_of(descriptor: Descriptor) -> Iterator[tuple[int, str]]:
    for rank, name in enumerate(_names(descriptor)):
        head, _, tag = name.rpartition(":")
        if is_tag(tag):
            yield 2 * rank + bool(head), tag


def _is_full_name(text: str, name: str, tag: str) -> bool:
    return text == f"{name}:{tag}" or text.endswith(f"/{name}:{tag}")


def is_tag(text: str) -> bool:
    """Return whether ``text`` is a valid tag."""
    return _parses(f"localhost/x:{text}") and "@" not in text


def is_repository(text: str) -> bool:
    """Return whether ``text`` is a valid repository name."""
    return _parses(f"localhost/{text}") and ":" not in text and "@" not in text


def _parses(text: str) -> bool:
    try:
        Reference.parse(text)
    except InvalidName:
        return False
    return True


def order(tag: str) -> tuple[str, str]:
    """Return the sort key of a tag: lexical order, case-insensitive ("Listing Tags")."""
    return tag.lower(), tag


class IndexFile:
    """``index.json``, which is parsed again when it has changed; used from worker threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cached: tuple[FileState, Catalog] | None = None

    def catalog(self) -> Catalog:
        """Return the current catalog; reads again for up to half a second while the file is being written."""
        for left in reversed(range(_ATTEMPTS)):
            cached, started = self._cached, time.time_ns()
            fd = open_regular(self._path)
            with os.fdopen(fd, "rb") as file, storage_errors(f"reading {INDEX_FILE}"):
                before = file_state(fd)
                if cached is not None and cached[0] == before:
                    return cached[1]
                raw = file.read(INDEX_LIMIT + 1)
                settled = before == file_state(fd) and started - max(before[:2]) > _CLOCK_STEP_NS
            try:
                catalog = Catalog.of(LayoutIndex.parse(raw))
            except InvalidContent:
                if settled or not left:
                    raise
                time.sleep(_PAUSE)
            else:
                # A recent change may be followed by another one with the same time.
                self._cached = (before, catalog) if settled else None
                return catalog
        raise AssertionError("the last attempt returns or raises")


def file_state(fd: int) -> FileState:
    """Return the current state of an open file."""
    status = os.fstat(fd)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev
