"""What an OCI layout offers as a registry: which tags stand for which images, as of now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from ..errors import InvalidContent, InvalidName, NotFound
from ..fast_dataclass import dataclass
from ..model import layout as grammar
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.reference import Reference
from ..model.strict_json import MANIFEST_LIMIT
from ..storage.files import open_regular, storage_errors

_CONTAINERD_NAME = "io.containerd.image.name"
# The coarsest clock of a file system in use: two changes within it can look like one.
_CLOCK_STEP_NS = 2_000_000_000
_ATTEMPTS, _PAUSE = 25, 0.02

Signature: TypeAlias = tuple[int, ...]
"""Times, size and identity of one state of a file."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What one state of index.json offers.

    ``types`` are the media types of the entries that are manifests, ``made`` the indexes that no
    blob holds because index.json itself is the image, ``contested`` the tags several images claim.
    """

    tags: Mapping[str, Digest]
    contested: Mapping[str, Sequence[Descriptor]]
    types: Mapping[Digest, str]
    made: Mapping[Digest, Manifest]

    @classmethod
    def of(cls, index: grammar.LayoutIndex) -> Catalog:
        """Sort the entries by tag, with the precedence `LayoutIndex.find` has."""
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
        made: dict[Digest, Manifest] = {}
        for tag, claimants in (found or {"": usable}).items():
            with suppress(NotFound, InvalidContent):
                # Only entries that disagree need the whole search: it is linear.
                one = len({d.digest for d in claimants}) == 1
                root = claimants[0] if one else index.find(tag, grammar.INDEX_FILE)
                if isinstance(root, Manifest) and len(root.raw) > MANIFEST_LIMIT:
                    continue
                tags[tag or "latest"] = root.digest
                if isinstance(root, Manifest):
                    made[root.digest] = root
        contested = {tag: claimants for tag, claimants in found.items() if tag not in tags}
        return cls(tags, contested, {d.digest: d.media_type for d in usable}, made)

    def resolve(self, name: str, tag: str) -> Digest | None:
        """The image ``tag`` stands for in repository ``name``."""
        if found := self.tags.get(tag):
            return found
        own = {d.digest for d in self.contested.get(tag, ()) if any(_is_full_name(n, name, tag) for n in _names(d))}
        return own.pop() if len(own) == 1 else None

    def tags_in(self, name: str) -> list[str]:
        """Every tag that `resolve` knows in ``name``, in the specification's order."""
        return sorted((*self.tags, *(t for t in self.contested if self.resolve(name, t))), key=order)


def _names(descriptor: Descriptor) -> tuple[str, str]:
    return descriptor.annotations.get(grammar.REF_NAME, ""), descriptor.annotations.get(_CONTAINERD_NAME, "")


def _tags_of(descriptor: Descriptor) -> Iterator[tuple[int, str]]:
    for rank, name in enumerate(_names(descriptor)):
        head, _, tag = name.rpartition(":")
        if is_tag(tag):
            yield 2 * rank + bool(head), tag


def _is_full_name(text: str, name: str, tag: str) -> bool:
    return text == f"{name}:{tag}" or text.endswith(f"/{name}:{tag}")


def is_tag(text: str) -> bool:
    return _parses(f"localhost/x:{text}") and "@" not in text


def is_repository(text: str) -> bool:
    return _parses(f"localhost/{text}") and ":" not in text and "@" not in text


def _parses(text: str) -> bool:
    try:
        Reference.parse(text)
    except InvalidName:
        return False
    return True


def order(tag: str) -> tuple[str, str]:
    return tag.lower(), tag


class Index:
    """``index.json``, read anew whenever it changed; called from worker threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: tuple[Signature, Catalog] | None = None

    def catalog(self) -> Catalog:
        """What the layout offers now; waits a little for a file that is being written in place."""
        for left in reversed(range(_ATTEMPTS)):
            kept, started = self._kept, time.time_ns()
            fd = open_regular(self._path)
            with os.fdopen(fd, "rb") as file, storage_errors(f"reading {grammar.INDEX_FILE}"):
                before = signature(fd)
                if kept is not None and kept[0] == before:
                    return kept[1]
                raw = file.read(grammar.INDEX_LIMIT + 1)
                settled = before == signature(fd) and started - max(before[:2]) > _CLOCK_STEP_NS
            try:
                catalog = Catalog.of(grammar.LayoutIndex.parse(raw))
            except InvalidContent:
                if settled or not left:
                    raise
                time.sleep(_PAUSE)
            else:
                # What changed a moment ago may change again without its times showing it.
                self._kept = (before, catalog) if settled else None
                return catalog
        raise AssertionError("the last attempt returns or raises")


def signature(fd: int) -> Signature:
    status = os.fstat(fd)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev
