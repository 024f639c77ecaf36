"""Write manifests with a subject so that they are found by it (distribution specification 1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidContent
from ..model.referrer_index import referrer_descriptor
from ..streams.concurrency import SingleFlight, work_off
from .referrer_index import addition_of_referrers
from .referrers import ReferrerLister
from .repository_reader import Repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..http.retry import Retry
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.referrer import Referrer
    from .repository_writer import RepositoryWriter
    from .tagged_update import TaggedUpdate

_AT_ONCE = 32


class ReferrerWriter:
    """Writes referrers into a repository: a registry with the referrers API lists them itself.

    For any other the client keeps the index of the tag schema (`referrer_index`). Which one it is, the header
    ``OCI-Subject`` in the response to each manifest says. ``retry`` is the policy for reading.
    """

    def __init__(self, writer: RepositoryWriter, retry: Retry) -> None:
        self._writer = writer
        session = writer.session
        self._lister = ReferrerLister(Repository(writer.reference, session, retry, session.report))
        self._unconfirmed: list[TaggedUpdate] = []
        self._lists: SingleFlight[Digest, tuple[Referrer, ...]] = SingleFlight()

    async def present(self, subject: Digest, referrers: Sequence[Manifest]) -> frozenset[Digest]:
        """Return the digests of those of ``referrers`` that are listed as referrers of ``subject``, and are there.

        What the API lists is there; an index of the tag schema may list what was deleted. The list is requested once:
        without any ``referrers`` nothing else is. Raises `NetworkError`.
        """
        listed = {one.descriptor.digest: one for one in await self._lists.get(subject, lambda: self._list(subject))}
        found = [manifest.digest for manifest in referrers if manifest.digest in listed]
        doubtful = [digest for digest in found if listed[digest].origin == "tag schema"]
        missing: set[Digest] = set()

        async def look_up(digest: Digest) -> None:
            if await self._writer.head_manifest(str(digest)) != digest:
                missing.add(digest)

        await work_off(doubtful, look_up, at_once=_AT_ONCE)
        return frozenset(found) - missing

    async def _list(self, subject: Digest) -> tuple[Referrer, ...]:
        try:
            return await self._lister.referrers(subject)
        except InvalidContent:  # then what it answers to each manifest has to tell
            return ()

    async def put(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        """Write those ``referrers`` of ``subject`` that are not `present`; return how many these are.

        `confirm` is to be called after it. Raises `NetworkError`, `ManifestRefused`, and what the change raises that
        `addition_of_referrers` returns.
        """
        present = await self.present(subject, referrers)
        unlisted: list[Manifest] = []

        async def put(manifest: Manifest) -> None:
            if not await self._writer.put_manifest(str(manifest.digest), manifest):
                unlisted.append(manifest)

        new = [one for one in referrers if one.digest not in present]
        await work_off(new, put, at_once=_AT_ONCE)
        if unlisted:
            added = [referrer_descriptor(manifest) for manifest in unlisted]
            change = addition_of_referrers(self._writer, subject, added)
            await change.write()
            self._unconfirmed.append(change)
        return len(new)

    async def confirm(self) -> None:
        """Add again to the indexes of the tag schema what other writers have overwritten; raises what `put` raises."""
        changes, self._unconfirmed = self._unconfirmed, []
        await work_off(changes, lambda change: change.confirm(), at_once=_AT_ONCE)
