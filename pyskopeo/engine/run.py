"""Carry out a plan: move the blobs, then the manifests that name them, then the root.

Imports no transport, no file, no registry: two ends and a plan are all it knows.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import CannotPreserve, InvalidInput, ManifestRefused, Unsupported, first_error
from ..model.events import Converted, CopyFinished, CopyPlanned, ManifestWritten, Report, ignore
from ..streams.concurrency import each
from .graph import read_graph, with_configs
from .plan import AS_IT_IS, Form
from .planner import decide, settle
from .transfer import Moving

if TYPE_CHECKING:
    from ..interfaces import ImageDestination, ImageSource
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .plan import Plan
    from .selection import Selection

_MANIFESTS_AT_ONCE = 8


async def make_plan(
    source: ImageSource, destination: ImageDestination, selection: Selection, form: Form = AS_IT_IS
) -> Plan:
    """Read the source and decide; nothing is written."""
    return decide(await read_graph(source, selection, destination.accepts, form), destination.accepts, form)


async def carry_out(
    plan: Plan, source: ImageSource, destination: ImageDestination, *, jobs: int | None = None, report: Report = ignore
) -> Digest:
    """Move all blobs, ``jobs`` at once, then write the manifests, then the root.

    By default as many large blobs are moved at once as there are processors, up to six while these have
    little to do; and small ones besides, which are mostly waited for.

    The first failure cancels the rest and is what is raised. Answers with the digest of the root
    as the destination has it. Raises what the two ends raise, and `InvalidInput` for no jobs at all.
    """
    if jobs is not None and jobs < 1:
        raise InvalidInput(f"{jobs} blobs at once are too few: want at least 1")
    started = time.monotonic()
    report(CopyPlanned(plan.root.digest, plan.all_blobs, plan.total, plan.images))
    moving = Moving(source, destination, report, jobs)
    told = None
    if plan.converted and not plan.changes:  # else the digest is not known yet
        told = plan.root.digest
        report(Converted(plan.source, told))
    with first_error():
        await destination.begin(plan.root)
        present = await _present(plan, destination)
        plan = await _move(plan, moving, present)
        plan, digest = await _name(plan, source, destination, moving, present)
    if plan.converted and plan.root.digest != told:
        report(Converted(plan.source, plan.root.digest))
    report(ManifestWritten(digest, len(plan.root.raw), root=True))
    report(CopyFinished(digest, moving.moved, round(time.monotonic() - started, 3)))
    return digest


async def _move(plan: Plan, moving: Moving, present: frozenset[Digest]) -> Plan:
    """Have all blobs at the destination; answers with the plan whose manifests are those to be written."""
    await moving.blobs(plan, present)
    if plan.changes:
        plan = settle(plan, moving.outcomes)
        await moving.blobs(plan, frozenset())
    return plan


async def _present(plan: Plan, destination: ImageDestination) -> frozenset[Digest]:
    """The manifests that are at the destination already.

    An image is there with its blobs. A list need not be there with its images: a copy of one platform
    leaves such, so each of them is looked for.
    """
    if plan.changes:
        return frozenset()
    found: set[Digest] = set()

    async def look(manifest: Manifest) -> None:
        if await destination.has_manifest(manifest):
            found.add(manifest.digest)

    await each((plan.root, *plan.manifests), look, at_once=_MANIFESTS_AT_ONCE)
    return frozenset(found)


async def _name(
    plan: Plan, source: ImageSource, destination: ImageDestination, moving: Moving, present: frozenset[Digest]
) -> tuple[Plan, Digest]:
    """Write the manifests; in another format, where the destination turns out not to take theirs."""
    attempts: list[str] = []
    while True:
        writing = _Writing(destination, moving.report, present)
        try:
            await writing.children(plan)
            return plan, await writing.root(plan.root)
        except ManifestRefused:
            assert writing.refused is not None
            refused, error = writing.refused
        attempts.append(f"{refused}({error})")
        other = await _otherwise(plan, refused, source)
        if other is None:
            if len(attempts) == 1:
                raise error from None
            formats = ", ".join(attempts)
            raise type(error)(
                f"Uploading manifest failed, attempted the following formats: {formats}",
                status=error.status, codes=error.codes,
            ) from None  # fmt: skip
        plan = await _move(other, moving, frozenset())


async def _otherwise(plan: Plan, refused: str, source: ImageSource) -> Plan | None:
    """The plan that has no manifest of a type; None where there is none."""
    assert plan.basis is not None
    basis = plan.basis
    if refused not in basis.accepts.media_types or basis.form.preserve_digests:
        return None
    accepts = replace(basis.accepts, media_types=basis.accepts.media_types - {refused})
    try:
        graph = await with_configs(source, basis.graph, accepts, basis.form)
        other = decide(graph, accepts, basis.form, outcomes=basis.outcomes)
    except (CannotPreserve, Unsupported):
        return None
    # Artifacts stay what they are. What still depends on its layers is not written yet.
    same = any(manifest.media_type == refused for manifest in (other.root, *other.manifests))
    return None if same and not other.changes else other


class _Writing:
    """The manifests of one attempt: images at once, then the lists that name them, innermost first."""

    def __init__(self, destination: ImageDestination, report: Report, present: frozenset[Digest]) -> None:
        self._destination, self._report, self._present = destination, report, present
        self.refused: tuple[str, ManifestRefused] | None = None

    async def children(self, plan: Plan) -> None:
        missing = [manifest for manifest in plan.manifests if manifest.digest not in self._present]
        images = [manifest for manifest in missing if not manifest.is_index]
        await each(images, self._put, at_once=_MANIFESTS_AT_ONCE)
        for manifest in missing:
            if manifest.is_index:
                await self._put(manifest)

    async def root(self, manifest: Manifest) -> Digest:
        try:
            return await self._destination.commit(manifest)
        except ManifestRefused as error:
            self.refused = (manifest.media_type, error)
            raise

    async def _put(self, manifest: Manifest) -> None:
        try:
            await self._destination.put_manifest(manifest)
        except ManifestRefused as error:
            self.refused = (manifest.media_type, error)
            raise
        self._report(ManifestWritten(manifest.digest, len(manifest.raw), root=False))
