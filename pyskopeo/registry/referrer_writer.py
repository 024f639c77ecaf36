"""Write manifests with a subject so that they are found by it (distribution specification 1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model.referrer_index import referrer_descriptor
from ..streams.concurrency import work_off
from .referrer_index import add_referrers
from .referrers import ReferrerLister
from .repository_reader import Repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..http.retry import Retry
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .repository_writer import RepositoryWriter

_AT_ONCE = 16


class ReferrerWriter:
    """Writes referrers into a repository: a registry with the referrers API notes them itself.

    For any other the client keeps the index of the tag schema (`referrer_index`). Which one it is, the header
    ``OCI-Subject`` in the response to each manifest says. ``retry`` is the policy for reading.
    """

    def __init__(self, writer: RepositoryWriter, retry: Retry) -> None:
        self._writer = writer
        session = writer.session
        self._lister = ReferrerLister(Repository(writer.reference, session, retry, session.report))

    async def put(self, subject: Digest, referrers: Sequence[Manifest], present: frozenset[Digest]) -> int:
        """Write ``referrers`` of ``subject``; those that are ``present`` as manifests may be found already.

        Returns how many were not. Raises `NetworkError`, `ManifestRefused`, and what `add_referrers` raises.
        """
        listed: set[Digest] = set()
        if any(manifest.digest in present for manifest in referrers):
            listed = {one.descriptor.digest for one in await self._lister.referrers(subject)}
        unnoted: list[Manifest] = []

        async def put(manifest: Manifest) -> None:
            if not await self._writer.put_manifest(str(manifest.digest), manifest):
                unnoted.append(manifest)

        new = [one for one in referrers if one.digest not in listed]
        await work_off(new, put, at_once=_AT_ONCE)
        if unnoted:
            await add_referrers(self._writer, subject, [referrer_descriptor(manifest) for manifest in unnoted])
        return len(new)
