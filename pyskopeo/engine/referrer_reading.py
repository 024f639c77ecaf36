"""Find and read what refers to the images of a copy."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ..errors import (
    CannotPreserve,
    NotFound,
    PolicyRejected,
    RegistryError,
    TooLarge,
    Unsupported,
    first_error,
    prefix_errors,
)
from ..fast_dataclass import dataclass, replace
from ..model.events import Warned
from ..model.referrer import MAX_REFERRERS, artifact_type, attested_digest
from ..streams.concurrency import work_off
from .children import read_children
from .plan import Graph
from .referrer_walk import REFERRERS_AT_ONCE, ReferrerWalk

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.events import Report
    from ..model.manifest import Manifest
    from ..model.referrer import Referrer, WantedReferrers

# Bytes. The manifests of referrers stay in memory until the copy is done.
_TOTAL_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CopiedReferrer:
    """A manifest that refers to ``subject``, and is copied with it.

    ``tag`` is cosign's, "" for one that names its subject itself. ``children`` and ``entry_blobs`` are what is below
    it, if it is an index.
    """

    subject: Digest
    manifest: Manifest
    artifact_type: str
    tag: str = ""
    children: Mapping[Digest, Manifest] = field(default_factory=dict)
    entry_blobs: Mapping[Digest, Descriptor] = field(default_factory=dict)

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """The manifest and all below it."""
        return self.manifest, *self.children.values()

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All blobs to copy."""
        images = [one for one in self.manifests if not one.is_index]
        return *(blob for one in images for blob in one.blobs), *self.entry_blobs.values()


class ReferrerReading:
    """What refers to the images of one copy, as far as it is ``wanted``; ``report`` gets warnings.

    ``levels`` is what was read, by its depth, ``listed`` what the source lists, by what it refers to.
    """

    def __init__(self, source: ImageSource, wanted: WantedReferrers, report: Report) -> None:
        self._source, self.content = source, source.for_referrers()
        self._wanted, self._report = wanted, report
        self.levels: list[list[CopiedReferrer]] = []
        self.listed: dict[Digest, tuple[Referrer, ...]] = {}
        self._size = 0
        self._was_read = False

    @property
    def found(self) -> tuple[CopiedReferrer, ...]:
        """What is copied: what refers to the images, then what refers to that, and so on."""
        return tuple(one for level in self.levels for one in level)

    async def read(self, graph: Graph) -> None:
        """Find and read what refers to the images of a graph, at most 8 levels deep.

        What is listed and is not there, or is no manifest that refers to the image, is left out with a warning. Raises
        the source's errors, `TooLarge`, and `PolicyRejected` if something that is required is missing. Does nothing if
        that is done.
        """
        from anyio import create_task_group

        if self._was_read:
            return
        self._was_read = True
        wanted, subjects = self._wanted, subjects_of(graph)
        walk = ReferrerWalk(
            self._source,
            types=(*wanted.types, *wanted.required) if wanted.types or not wanted.copied else (),
            subjects=wanted.copied or bool(wanted.required), cosign_tags=wanted.cosign_tags, all_tags=True,
            read_types=False, lookups=MAX_REFERRERS, depth=8 if wanted.copied or wanted.cosign_tags else 1,
        )  # fmt: skip
        with prefix_errors("reading what refers to the image"), first_error():
            async with create_task_group() as tasks:
                async for found in walk.levels(subjects):
                    level: list[CopiedReferrer] = []
                    self.levels.append(level)
                    self.listed |= dict(found)
                    listed = [(subject, one) for subject, entries in found for one in entries]
                    tasks.start_soon(self._read_level, listed, level)
        if walk.unread and (wanted.copied or wanted.cosign_tags):
            self._warn(f"{walk.unread} referrers are too deep to be asked for what refers to them: that is not copied")
        self._check_required(graph, subjects)
        self._select()

    async def _read_level(self, listed: Sequence[tuple[Digest, Referrer]], level: list[CopiedReferrer]) -> None:
        async def read(item: tuple[int, tuple[Digest, Referrer]]) -> None:
            position, (subject, referrer) = item
            found[position] = await self._read(subject, referrer)

        from anyio import create_task_group

        found: dict[int, CopiedReferrer | None] = {}
        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(self.note_listed, {subject for subject, _ in listed})
                await work_off(list(enumerate(listed)), read, at_once=REFERRERS_AT_ONCE)
        level += [one for position in sorted(found) if (one := found[position]) is not None]

    async def note_listed(self, subjects: Collection[Digest]) -> None:
        """Do what can be done while what refers to ``subjects`` is read: nothing, here."""

    async def _read(self, subject: Digest, referrer: Referrer) -> CopiedReferrer | None:
        """Return a referrer with all below it, None for one that is not there or does not refer to ``subject``."""
        digest = referrer.descriptor.digest
        try:
            manifest = await self.content.manifest(referrer.descriptor)
            if not referrer.tag or referrer.origin == "tag schema":
                stated = manifest.subject
                if stated is None or stated.digest != subject:
                    says = "names no subject" if stated is None else f"its subject is {stated.digest}"
                    self._warn(f"{digest} is listed as a referrer of {subject}, but {says}: left out")
                    return None
            children = await read_children(self.content, manifest) if manifest.is_index else None
        except (NotFound, Unsupported) as error:
            self._warn(f"{digest} is listed as a referrer of {subject}, and cannot be copied: {error}: left out")
            return None
        except RegistryError as error:
            if error.status != 404:
                raise
            self._warn(f"{digest} is listed as a referrer of {subject}, and is not there: left out")
            return None
        tag = referrer.tag if referrer.origin == "cosign tag" else ""
        made = CopiedReferrer(subject, manifest, artifact_type(manifest), tag)
        if children is not None:
            made = replace(made, children=children.manifests, entry_blobs=children.blobs)
        self._size += sum(len(one.raw) for one in made.manifests)
        if self._size > _TOTAL_LIMIT:
            raise TooLarge(f"the manifests of referrers are over {_TOTAL_LIMIT} bytes in total", limit=_TOTAL_LIMIT)
        return made

    def _check_required(self, graph: Graph, subjects: Sequence[Digest]) -> None:
        first = self.levels[0] if self.levels else []
        for kind in self._wanted.required:
            having = {one.subject for one in first if kind in (one.artifact_type, one.manifest.artifact_type)}
            images = [digest for digest in subjects if digest in graph.children and not graph.children[digest].is_index]
            lacking = [digest for digest in images if digest not in having]
            if graph.root.digest in having or (images and not lacking):
                continue
            where = graph.root.digest if not images or len(lacking) == len(images) else lacking[0]
            hint = f"; of the index {graph.chosen_from} only this image is copied" if graph.chosen_from else ""
            raise PolicyRejected(
                f"Source image rejected: no {kind}, which is required, refers to {where}{hint}",
                scope="", where="--require-referrer",
            )  # fmt: skip

    def _is_copied(self, one: CopiedReferrer, *, first: bool) -> bool:
        if one.tag:
            return self._wanted.cosign_tags
        types = self._wanted.types if first else ()
        return self._wanted.copied and (
            not types or one.artifact_type in types or one.manifest.artifact_type in types
        )  # fmt: skip

    def _select(self) -> None:
        """Keep what is to be copied of what was read, without what was read only because it is required."""
        kept: set[Digest] | None = None
        for position, level in enumerate(self.levels):
            level[:] = [
                one for one in level
                if self._is_copied(one, first=not position) and (kept is None or one.subject in kept)
            ]  # fmt: skip
            kept = {one.manifest.digest for one in level} | (kept or set())

    def check_unchanged(self, written: Collection[Digest]) -> None:
        """Raise `CannotPreserve` if something refers to a manifest that is not among those ``written``."""
        there = {*written, *(one.manifest.digest for one in self.found)}
        lost = [one for one in self.found if one.subject not in there]
        if lost:
            raise CannotPreserve(
                f"{len(lost)} referrers cannot be copied: {lost[0].subject}, which they refer to, changes at the "
                "destination and gets another digest; --preserve-digests says what changes it, and without --referrers "
                "and --cosign-tags the image is copied alone"
            )

    def _warn(self, message: str) -> None:
        self._report(Warned(message))


def subjects_of(graph: Graph) -> list[Digest]:
    """Return the digests of the root and of all below it that are copied, except BuildKit's attestations."""
    indexes = [manifest for manifest in (graph.root, *graph.children.values()) if manifest.is_index]
    attestations = {
        entry.digest for index in indexes for entry in index.manifests if attested_digest(entry.annotations)
    }  # fmt: skip
    return [graph.root.digest, *(digest for digest in graph.children if digest not in attestations)]
