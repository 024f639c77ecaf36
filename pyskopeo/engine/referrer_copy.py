"""Copy what refers to the images of a copy: found while the image is copied, and written before it gets its name."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from ..errors import (
    InvalidContent,
    ManifestRefused,
    RegistryError,
    Unsupported,
    first_error,
    prefix_errors,
)
from ..model.events import ManifestWritten, ReferrersPlanned
from ..streams.concurrency import each, work_off
from .plan import Graph, Plan, PlanInputs, has_foreign_urls
from .referrer_reading import ReferrerReading
from .referrer_walk import REFERRERS_AT_ONCE
from .transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator

    from ..interfaces import ImageDestination, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.events import Report
    from ..model.manifest import Manifest
    from ..model.referrer import WantedReferrers
    from .referrer_reading import CopiedReferrer

_SUBJECTS_AT_ONCE = 4


class ReferrerCopy(ReferrerReading):
    """What refers to the images of one copy.

    `run` finds them and copies their blobs while the image itself is copied, `write` writes them when that is at the
    destination by its digest. ``report`` gets warnings and events, ``jobs`` is that of `Transfer`: with it, no blob is
    copied beside those of the image. ``moved`` is the size in bytes of the blobs that were written, and ``written`` how
    many referrers the destination did not have.
    """

    def __init__(
        self, source: ImageSource, destination: ImageDestination, wanted: WantedReferrers, report: Report,
        jobs: int | None = None,
    ) -> None:  # fmt: skip
        """Raise `Unsupported` if the destination cannot store what is to be copied."""
        from anyio import Event

        accepts = destination.accepts
        if accepts.no_referrers and (wanted.copied or wanted.cosign_tags):
            flag = "--referrers" if wanted.copied else "--cosign-tags"
            raise Unsupported(f"{flag} needs another destination: {accepts.no_referrers}")
        super().__init__(source, wanted, report)
        self._destination = destination
        self._jobs, self._may_copy, self._was_found, self._was_copied = jobs, Event(), Event(), Event()
        self._transfer: Transfer | None = None
        self._present: frozenset[Digest] = frozenset()
        self._of_image: set[Digest] = set()
        self.written = 0

    @property
    def moved(self) -> int:
        return 0 if self._transfer is None else self._transfer.moved

    @asynccontextmanager
    async def beside(self, plan: Plan) -> AsyncIterator[None]:
        """Call `run` beside the body of the context, which copies the image.

        What can make the copy impossible is found out before: what is required, and what would lose its subject.
        """
        from anyio import create_task_group

        if self._wanted.required or plan.converted or plan.changes:
            await self.prepare(plan)
        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(self.run, plan)
                yield

    async def prepare(self, plan: Plan) -> None:
        """Find all, and raise `CannotPreserve` if the digest of something that is referred to is known to change."""
        assert plan.inputs is not None
        await self.read(plan.inputs.graph)
        self._of_image = {blob.digest for blob in plan.blobs}
        self.check_unchanged(_unchanged_digests(plan))

    async def run(self, plan: Plan) -> None:
        """Find all and copy the blobs of it, as soon as the destination has begun; raises what `read` raises."""
        assert plan.inputs is not None
        await self.read(plan.inputs.graph)
        self._of_image = {blob.digest for blob in plan.blobs}
        self._was_found.set()
        if self.found:
            await self._may_copy.wait()
            blobs = self.plan().blobs
            digests = tuple(one.manifest.digest for one in self.found)
            self._report(ReferrersPlanned(digests, blobs, sum(blob.size for blob in blobs)))
            await self._copy_blobs()
        self._was_copied.set()

    def destination_has_begun(self) -> None:
        """Let `run` copy blobs, beside those of the image."""
        if self._jobs is None:
            self._may_copy.set()

    async def wait_until_found(self, written: Collection[Digest]) -> bool:
        """Wait until `run` has found all, when all blobs of the image are copied; return whether there is anything.

        ``written`` are the digests of the image's manifests as they were written. Raises what `check_unchanged` raises.
        """
        self._may_copy.set()
        await self._was_found.wait()
        self.check_unchanged(written)
        return bool(self.found)

    async def _copy_blobs(self) -> None:
        """Copy the blobs of all that is copied, unless they are at the destination; raises the errors of both ends."""
        self._present = await self._present_manifests()
        self._transfer = Transfer(
            self.content, self._destination, self._report, self._jobs, small_at_once=REFERRERS_AT_ONCE
        )  # fmt: skip
        await self._transfer.run(self.plan(), self._present)

    async def note_listed(self, subjects: Collection[Digest]) -> None:
        if self._wanted.copied:
            await each(subjects, lambda one: self._destination.present_referrers(one, ()), at_once=_SUBJECTS_AT_ONCE)

    async def _present_manifests(self) -> frozenset[Digest]:
        """Return the digests of the manifests that the destination has, with all that is below them."""
        present: set[Digest] = set()

        async def look_up_referrers(item: tuple[Digest, list[Manifest]]) -> None:
            present.update(await self._destination.present_referrers(*item))

        async def look_up_tagged(one: CopiedReferrer) -> None:
            if await self._destination.has_manifest(one.manifest):
                present.add(one.manifest.digest)

        for level in self.levels:
            await each(_by_subject(level).items(), look_up_referrers, at_once=_SUBJECTS_AT_ONCE)
            await work_off([one for one in level if one.tag], look_up_tagged, at_once=REFERRERS_AT_ONCE)
        below = {digest for one in self.found if one.manifest.digest in present for digest in one.children}
        return frozenset(present | below)

    def plan(self) -> Plan:
        """Return the plan for what was found, which must not be nothing, without the blobs of the image itself.

        Raises `InvalidContent`.
        """
        manifests = {one.digest: one for found in self.found for one in found.manifests}
        accepts = self._destination.accepts
        blobs: dict[Digest, Descriptor] = {}
        entry_blobs: dict[Digest, Descriptor] = {}
        for one in self.found:
            entry_blobs |= one.entry_blobs
            for blob in one.blobs:
                if blob.digest in self._of_image or (accepts.foreign and has_foreign_urls(blob)):
                    continue
                known = blobs.setdefault(blob.digest, blob)
                if known.size != blob.size:
                    raise InvalidContent(f"blob {blob.digest} is said to have {known.size} bytes and {blob.size} bytes")
        first, *others = manifests.values()
        inputs = PlanInputs(Graph(first, entry_blobs=entry_blobs), accepts)
        return Plan(first.digest, first, tuple(others), tuple(blobs.values()), inputs=inputs)

    async def write(self) -> None:
        """Wait for the end of `run`, write the manifests, and have them found by what they refer to.

        What refers to referrers is written first, so that a referrer is found with all that refers to it. Raises the
        destination's errors.
        """
        await self._was_copied.wait()
        with prefix_errors("writing what refers to the image"), _refusals_of_referrers():
            await self._write_children()
            for level in reversed(self.levels):
                await each(_by_subject(level).items(), self._put_referrers, at_once=_SUBJECTS_AT_ONCE)
                await each([one for one in level if one.tag], self._put_tagged, at_once=_SUBJECTS_AT_ONCE)

    async def confirm(self) -> None:
        """Have found again what others have overwritten, after `write`; raises the destination's errors."""
        with prefix_errors("writing what refers to the image"), _refusals_of_referrers():
            await self._destination.confirm_referrers()

    async def _write_children(self) -> None:
        """Write the manifests below those that are indexes, innermost first."""
        children = {
            digest: child for one in self.found for digest, child in one.children.items() if digest not in self._present
        }  # fmt: skip
        await each(
            [child for child in children.values() if not child.is_index], self._destination.put_manifest,
            at_once=REFERRERS_AT_ONCE,
        )  # fmt: skip
        for child in reversed(children.values()):
            if child.is_index:
                await self._destination.put_manifest(child)

    async def _put_referrers(self, item: tuple[Digest, list[Manifest]]) -> None:
        subject, manifests = item
        self.written += await self._destination.put_referrers(subject, manifests)
        self._report_written(manifests)

    async def _put_tagged(self, one: CopiedReferrer) -> None:
        self.written += await self._destination.put_tagged(one.manifest, one.tag)
        self._report_written([one.manifest])

    def _report_written(self, manifests: Iterable[Manifest]) -> None:
        for manifest in manifests:
            self._report(ManifestWritten(manifest.digest, len(manifest.raw), root=False))

def _by_subject(level: Iterable[CopiedReferrer]) -> dict[Digest, list[Manifest]]:
    """Return the manifests that name a subject, by it."""
    found: dict[Digest, list[Manifest]] = {}
    for one in level:
        if not one.tag:
            found.setdefault(one.subject, []).append(one.manifest)
    return found


@contextmanager
def _refusals_of_referrers() -> Iterator[None]:
    """Raise `RegistryError` for `ManifestRefused`, after which the image would be converted and written again."""
    try:
        yield
    except ManifestRefused as error:
        raise RegistryError(str(error), status=error.status, codes=error.codes) from error


def _unchanged_digests(plan: Plan) -> set[Digest]:
    """Return the digests of the manifests that a plan writes, as far as it is known that they are these."""
    changed = {layer.digest for layer, change in plan.changes if change.rewrites}
    return {
        manifest.digest for manifest in (plan.root, *plan.manifests)
        if not changed or not (manifest.is_index or changed & {layer.digest for layer in manifest.layers})
    }  # fmt: skip
