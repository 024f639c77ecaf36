"""Complete an OCI layout: bring what its entries lead to into it, from other places, and report what is missing."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Reuse
from ..engine.plan import has_foreign_urls
from ..engine.selection import check_depth
from ..engine.transfer import LARGE_AT_ONCE, SMALL, SMALL_AT_ONCE
from ..engine.verification import Advance, ignore_advance
from ..errors import (
    AccessDenied,
    ConnectionFailed,
    ContentMismatch,
    NotFound,
    Offline,
    PathNotFound,
    PyskopeoError,
    RegistryError,
    StorageFailed,
    first_error,
)
from ..fast_dataclass import dataclass
from ..model.completion import CompletionReport, PlacedContent
from ..model.descriptor import UNKNOWN_SIZE
from ..model.events import Placement, Report, Warned, ignore
from ..model.layout import LayoutIndex, entry_name
from ..model.missing_content import MissingContent
from ..model.reachability import Node, Reachability
from ..model.recorded_sources import recorded_sources
from ..streams.concurrency import processors, ticking, work_off
from .existing_blobs import ExistingBlobs
from .files import digest_name, read_local_manifest, storage_errors
from .index_file import IndexFile
from .layout_files import BLOBS, check_layout_directory
from .locks import locked
from .partial_files import remove_leftovers, write_atomically
from .place_blob import place_blob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .content_sources import ContentSource

_DOCUMENTS_AT_ONCE = 8
_TICK = 0.2


@dataclass(frozen=True, slots=True)
class CompletionOptions:
    """How to complete.

    ``sparse`` accepts images of an index that are missing as a whole. ``reuse`` is that of `Writing`, ``resume`` and
    ``partial_age`` are those of `Storage`.
    """

    sparse: bool = False
    reuse: Reuse = "copy"
    resume: bool = True
    partial_age: float = float("inf")


class LayoutCompletion:
    """Brings content into the directory ``blobs`` of a layout, from the first of ``sources`` that has it.

    What is there already and is right, as ``existing`` decides, is not asked for. ``report`` gets a warning for each
    place that has other content than it should. ``advance`` is called with the bytes that are there, and those of all.
    """

    def __init__(
        self, blobs: Path, sources: Sequence[ContentSource], existing: ExistingBlobs, options: CompletionOptions, *,
        report: Report = ignore, advance: Advance = ignore_advance,
    ) -> None:  # fmt: skip
        self._blobs, self._sources, self._existing, self._options = blobs, sources, existing, options
        self._report, self._advance = report, advance
        self._graph, self._write = Reachability(), True
        self._recorded: dict[str, tuple[str, ...]] = {}
        self._placed: list[PlacedContent] = []
        self._missing: list[MissingContent] = []
        self._rejected: list[str] = []
        self._warned: set[str] = set()
        self._unusable: set[ContentSource] = set()
        self._present = 0
        self._done: dict[Digest, int] = {}
        self._directories: set[Path] = set()

    def path(self, digest: Digest) -> Path:
        """Return the path of a blob or a manifest in the layout."""
        return self._blobs / digest_name(digest)

    async def run(self, roots: Iterable[tuple[str, Descriptor]], *, write: bool = True) -> CompletionReport:
        """Bring in what ``roots``, given with their names, lead to; without ``write`` find out what would be missing.

        Raises `StorageFailed`, `InvalidContent` for indexes nested too deeply, and `TooLarge`.
        """
        self._graph, self._write = Reachability(), write
        self._placed, self._missing, self._rejected, self._present = [], [], [], 0
        for name, descriptor in roots:
            self._graph.add_root(descriptor, name)
            self._recorded[name] = tuple(source.name for source in recorded_sources(descriptor.annotations))
        while batch := self._graph.take_unread():
            await work_off(batch, self._bring_manifest, at_once=_DOCUMENTS_AT_ONCE)
        await self._bring_blobs([node for node in self._graph.nodes.values() if node.kind != "manifest"])
        for directory in self._directories:
            remove_leftovers(directory, age=self._options.partial_age)
        return CompletionReport(tuple(self._placed), tuple(self._missing), self._present, tuple(self._rejected))

    async def _bring_manifest(self, node: Node) -> None:
        check_depth(max(node.depth, 1))
        descriptor = node.descriptor
        found = read_local_manifest(self.path(descriptor.digest), descriptor.digest, descriptor.media_type)
        if found is not None and descriptor.size in (len(found.raw), UNKNOWN_SIZE):
            self._present += 1
        elif node.is_uncertain and await self._existing.holds(self.path(descriptor.digest), descriptor):
            found = None  # a blob that is there
        else:
            found = await self._fetch_manifest(node)
        if found is None and not node.is_uncertain:
            self._note_missing(node)
        else:
            self._graph.add_manifest(node, found)

    async def _fetch_manifest(self, node: Node) -> Manifest | None:
        descriptor = node.descriptor
        for source in self._usable():
            try:
                found = await source.manifest(descriptor)
                found.check_size(descriptor)
            except PyskopeoError as error:
                if not node.is_uncertain or isinstance(error, ContentMismatch):
                    self._note_failure(source, error)
                continue
            if self._write:
                path = self._writable_path(descriptor.digest)
                write_atomically(path, found.raw)
                self._placed.append(PlacedContent(found.descriptor, Placement.WRITTEN, source.name))
            return found
        return None

    async def _bring_blobs(self, blobs: list[Node]) -> None:
        from anyio import create_task_group

        blobs.sort(key=lambda node: -node.descriptor.size)
        large = sum(node.descriptor.size > SMALL for node in blobs)
        total = sum(max(node.descriptor.size, 0) for node in blobs)
        progress = ticking(lambda: self._advance(sum(self._done.values()), total), _TICK)
        with first_error():
            async with progress, create_task_group() as tasks:
                tasks.start_soon(partial(work_off, blobs[large:], self._bring_blob, at_once=SMALL_AT_ONCE))
                at_once = min(LARGE_AT_ONCE, processors())
                await work_off(blobs[:large], self._bring_blob, at_once=at_once, when_idle=LARGE_AT_ONCE)
        self._advance(total, total)

    async def _bring_blob(self, node: Node) -> None:
        descriptor = node.descriptor
        if await self._existing.holds(self.path(descriptor.digest), descriptor):
            self._present += 1
        elif not await self._fetch_blob(descriptor) and not has_foreign_urls(descriptor):
            self._note_missing(node)
        self._done[descriptor.digest] = max(descriptor.size, 0)

    async def _fetch_blob(self, descriptor: Descriptor) -> bool:
        """Return whether a source had the blob, or may have it if nothing is to be written."""
        def moved(count: int) -> None:
            self._done[descriptor.digest] = count

        for source in self._usable():
            try:
                candidates = await source.blobs(descriptor)
            except PyskopeoError as error:
                self._note_failure(source, error)
                continue
            if candidates and not self._write:
                return True
            for blob in candidates:
                path = self._writable_path(descriptor.digest)
                try:
                    placement = await place_blob(
                        blob, path, moved, self._existing, resume=self._options.resume, reuse=self._options.reuse
                    )
                except PyskopeoError as error:
                    if isinstance(error, StorageFailed) and _cannot_write(error, path.parent):
                        raise  # no other source is of use
                    self._note_failure(source, error)
                    continue
                self._placed.append(PlacedContent(descriptor, placement, source.name))
                return True
        return False

    def _usable(self) -> Iterator[ContentSource]:
        return (source for source in self._sources if source not in self._unusable)

    def _writable_path(self, digest: Digest) -> Path:
        path = self.path(digest)
        with storage_errors(f"creating {path.parent}"):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._directories.add(path.parent)
        return path

    def _note_failure(self, source: ContentSource, error: PyskopeoError) -> None:
        """Report why a source is of no use for something; that it does not have it is no reason to.

        One that cannot be reached, or refuses access, is not asked again.
        """
        if isinstance(error, NotFound | Offline) or (isinstance(error, RegistryError) and error.status == 404):
            return
        if isinstance(error, ConnectionFailed | AccessDenied):
            self._unusable.add(source)
        message = str(error) if str(error).startswith(source.name) else f"{source.name}: {error}"
        if isinstance(error, ContentMismatch):
            self._rejected.append(message)
        if message not in self._warned:  # what is looked for twice fails twice
            self._warned.add(message)
            self._report(Warned(f"{message}; not used"))

    def _note_missing(self, node: Node) -> None:
        if self._options.sparse and node.kind == "manifest" and node.is_platform:
            return
        sources = dict.fromkeys(source for name in self._graph.names(node) for source in self._recorded.get(name, ()))
        self._missing.append(MissingContent(node.descriptor, tuple(sources)))


def _cannot_write(error: StorageFailed, directory: Path) -> bool:
    """Return whether an error is about writing into ``directory``, not about reading a source."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return not os.access(directory, os.W_OK)
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def layout_roots(index: LayoutIndex, name: str, where: str) -> list[tuple[str, Descriptor]]:
    """Return the entries of a layout, or those of one image, with their names; raises what `find_positions` raises."""
    positions = index.find_positions(name, where) if name else range(len(index.descriptors))
    return [(entry_name(index.descriptors[at], at), index.descriptors[at]) for at in positions]


async def complete_layout(
    root: Path, sources: Sequence[ContentSource], name: str = "", *, shared: Path | None = None,
    existing: ExistingBlobs, options: CompletionOptions, write: bool = True,
    report: Report = ignore, advance: Advance = ignore_advance,
) -> CompletionReport:  # fmt: skip
    """Complete the layout in the directory ``root``, or one image of it; without ``write`` find out what is missing.

    ``shared`` is the directory that has the blobs if several layouts share them. ``index.json`` is not changed. Raises
    `PathNotFound` if there is no layout or no image of that name, `InvalidContent`, `TooLarge` and `StorageFailed`.
    """
    check_layout_directory(root)
    try:
        roots = layout_roots(IndexFile(root).read(), name, str(root))
    except NotFound as error:
        raise error if name else PathNotFound(str(error)) from None
    blobs = root / BLOBS if shared is None else shared
    completion = LayoutCompletion(blobs, sources, existing, options, report=report, advance=advance)
    if not write:
        return await completion.run(roots, write=False)
    with storage_errors(f"creating {blobs}"):
        blobs.mkdir(parents=True, exist_ok=True)
    async with locked(blobs, shared=True):
        return await completion.run(roots)
