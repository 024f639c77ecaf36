"""Write the manifests of a plan: images, then the indexes that name them, then the root.

Where the destination refuses a media type, the image is converted to another one and written again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..errors import CannotPreserve, ManifestRefused, Unsupported
from ..fast_dataclass import replace
from ..model import mediatype
from ..model.events import ManifestWritten
from ..streams.concurrency import each
from .graph import with_configs
from .planner import decide

if TYPE_CHECKING:
    from ..interfaces import ImageDestination, ImageSource
    from ..model.digest import Digest
    from ..model.events import Report
    from ..model.manifest import Manifest
    from .attachments import Attachments
    from .plan import Plan
    from .transfer import Transfer

MANIFESTS_AT_ONCE = 8


async def write_manifests(
    plan: Plan, transfer: Transfer, present: frozenset[Digest], attachments: Attachments
) -> tuple[Plan, Digest]:
    """Write all manifests except those ``present`` at the destination, and the ``attachments`` of all of them.

    Returns the plan that was carried out and the digest of its root at the destination. Raises the destination's
    errors; `ManifestRefused` when it accepts none of the possible media types; `Unsupported` if a manifest of schema 1
    cannot be signed.
    """
    attempts: list[str] = []
    plan = _signed(plan)
    while True:
        attempt = _Attempt(transfer.destination, transfer.report, present)
        try:
            await attempt.write_children(plan)
            await attachments.write_for_children(plan.manifests, transfer.destination)
            return plan, await attempt.write_root(plan.root, attachments)
        except ManifestRefused:
            assert attempt.refused is not None
            refused, error = attempt.refused
        attempts.append(f"{refused}({error})")
        other = await _plan_without(refused, plan, transfer.source)
        if other is None:
            if len(attempts) == 1:
                raise error from None
            formats = ", ".join(attempts)
            raise type(error)(
                f"Uploading manifest failed, attempted the following formats: {formats}",
                status=error.status, codes=error.codes,
            ) from None  # fmt: skip
        plan = await transfer.run(other, frozenset())


def _signed(plan: Plan) -> Plan:
    """Return the plan with a signature in a root of schema 1 that was asked for; its digest stays the same."""
    if plan.root.media_type != mediatype.SCHEMA1 or plan.inputs is None or plan.inputs.form.format != "v2s1":
        return plan
    from .schema1_signature import sign

    return replace(plan, root=sign(plan.root, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())))


async def _plan_without(refused: str, plan: Plan, source: ImageSource) -> Plan | None:
    """Return a plan without manifests of the media type ``refused``, None if that is impossible."""
    assert plan.inputs is not None
    inputs = plan.inputs
    if refused not in inputs.accepts.media_types or inputs.form.preserve_digests:
        return None
    accepts = replace(inputs.accepts, media_types=inputs.accepts.media_types - {refused})
    try:
        graph = await with_configs(source, inputs.graph, accepts, inputs.form)
        other = decide(graph, accepts, inputs.form, outcomes=inputs.outcomes)
    except (CannotPreserve, Unsupported):
        return None
    # Artifacts keep their type. While layers are still to be changed, the plan has the source's manifests in it.
    still_refused = any(manifest.media_type == refused for manifest in (other.root, *other.manifests))
    return None if still_refused and not other.changes else other


class _Attempt:
    """One attempt to write the manifests: images concurrently, then the indexes that name them, innermost first.

    ``refused`` is the media type that the destination refused and its error, None before.
    """

    def __init__(self, destination: ImageDestination, report: Report, present: frozenset[Digest]) -> None:
        self._destination, self._report, self._present = destination, report, present
        self.refused: tuple[str, ManifestRefused] | None = None

    async def write_children(self, plan: Plan) -> None:
        missing = [manifest for manifest in plan.manifests if manifest.digest not in self._present]
        images = [manifest for manifest in missing if not manifest.is_index]
        await each(images, self._put, at_once=MANIFESTS_AT_ONCE)
        for manifest in missing:
            if manifest.is_index:
                await self._put(manifest)

    async def write_root(self, manifest: Manifest, attachments: Attachments) -> Digest:
        try:
            await attachments.write_for_root(manifest, self._destination)
            return await attachments.commit(manifest, self._destination)
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
