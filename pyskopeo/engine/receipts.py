"""Record from the events of a copy where each blob came from, for its receipt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import BlobFinished, Event, Placement, Requested
from ..model.receipt import Receipt, ReceivedBlob, stronger
from ..model.reference import DOCKER_HUB, HUB_API

if TYPE_CHECKING:
    from .run import CopyResult

_BLOB_URL = re.compile(r"https?://([^/@?#]+)/v2/([^?#]+)/blobs/([a-z0-9]+):([a-zA-Z0-9=_-]+)", re.ASCII)


class BlobRecord:
    """A `Report` for one copy or several: how each blob came to the destination, and who sent it.

    It must get the events of the copies and those of the sources' accesses.
    """

    def __init__(self) -> None:
        self._placements: dict[Digest, Placement] = {}
        self._sources: dict[Digest, str] = {}

    def __call__(self, event: Event) -> None:
        """Note an event."""
        if isinstance(event, BlobFinished):
            known = self._placements.get(event.digest)
            self._placements[event.digest] = event.placement if known is None else stronger(known, event.placement)
        elif isinstance(event, Requested) and event.method == "GET" and 200 <= event.status < 400:
            self._note_source(event.url.partition("?")[0])

    def _note_source(self, url: str) -> None:
        """Note the repository of a blob's URL; of several that were asked, the last one has sent the bytes."""
        if found := _BLOB_URL.fullmatch(url):
            host, repository, *digest = found.groups()
            self._sources[Digest(*digest)] = f"{DOCKER_HUB if host == HUB_API else host}/{repository}"

    def receipt(self, requested: str, result: CopyResult, *, local: str) -> Receipt:
        """Return the receipt of a copy that is finished.

        ``requested`` is what was asked for, ``local`` the source of blobs that were written without a request.
        """
        plan = result.plan
        outcomes = {} if plan.inputs is None else plan.inputs.outcomes
        # Events are about layers as the source has them, not as they were changed on the way.
        origins = {outcome.descriptor.digest: digest for digest, outcome in outcomes.items()}
        made = {descriptor.digest for descriptor, _ in plan.contents}
        referrers = tuple(manifest for one in result.referrers for manifest in one.manifests)
        manifests = (plan.root, *reversed(plan.manifests), *referrers)
        blobs: dict[Digest, ReceivedBlob] = {}
        for descriptor in _blobs_of(result):
            origin = origins.get(descriptor.digest, descriptor.digest)
            placement = self._placements.get(origin)
            if placement is None:
                continue  # left out at the destination, such as a foreign layer
            moved = placement in (Placement.WRITTEN, Placement.LINKED) and descriptor.digest not in made
            source = self._sources.get(origin, local) if moved else ""
            blobs.setdefault(descriptor.digest, ReceivedBlob(descriptor, placement, source))
        described = tuple(manifest.descriptor for manifest in manifests)
        return Receipt(requested, result.digest, described, tuple(blobs.values()))


def _blobs_of(result: CopyResult) -> list[Descriptor]:
    """Return the blobs of all images at the destination, those that are entries of an index, and of referrers."""
    plan = result.plan
    images = [manifest for manifest in (plan.root, *plan.manifests) if not manifest.is_index]
    entries = {} if plan.inputs is None else plan.inputs.graph.entry_blobs
    referrers = [blob for one in result.referrers for blob in one.blobs]
    return [*(blob for image in images for blob in image.blobs), *entries.values(), *referrers]
