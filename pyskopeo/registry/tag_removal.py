"""Remove tags of one repository, each alone where the registry can do that, else with its manifest.

Distribution specification 1.1, "Deleting tags", "Deleting Manifests". By its digest a manifest loses all of its tags,
so that is only done when every tag that refers to it is to be removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PyskopeoError, RegistryError, Unsupported
from ..model.content_digest import content_digest
from ..streams.concurrency import each
from .referrers import ReferrerLister
from .repository_reader import Repository
from .repository_writer import RepositoryWriter

if TYPE_CHECKING:
    from ..access import Access
    from ..model.digest import Digest
    from ..model.reference import Reference
    from .session import Session

_TAGS_AT_ONCE = 8
_NO_DELETION = frozenset({400, 405})  # "Deleting tags"
_MAX_DEPTH = 8  # of what refers to a manifest


class TagRemoval:
    """Removes tags of one repository: first `announce` all that are to go, then `remove` them.

    With ``referrers``, what refers to a manifest is deleted with it, and cosign's tags for it: all that is there, since
    it is of no use without the manifest. Then a manifest is deleted by its digest wherever that is possible.
    """

    def __init__(
        self, reference: Reference, session: Session, access: Access, *, referrers: bool = False
    ) -> None:
        self._repository = Repository(reference, session, access.network.retry, access.report)
        self._writer = RepositoryWriter(reference, session)
        self._announced: set[str] = set()
        self._with_referrers = referrers
        self._can_remove_tags = True
        self._digests: dict[str, Digest | None] | None = None

    async def digest_of(self, tag: str, algorithm: str) -> Digest | None:
        """Return what a tag refers to, None if it does not exist; raises the registry's errors.

        ``algorithm`` is that of the digest if the registry does not state it.
        """
        stated = await self._writer.head_manifest(tag)
        if stated is not None:
            return stated
        try:
            raw, _ = await self._repository.manifest(tag)
        except (NotFound, RegistryError) as error:
            if isinstance(error, RegistryError) and error.status != 404:
                raise
            return None
        return content_digest(raw, algorithm)

    def announce(self, tag: str) -> None:
        """Say that a tag is going to be removed, so that it does not keep a manifest."""
        self._announced.add(tag)

    async def remove(self, tag: str, digest: Digest) -> None:
        """Remove a tag, which refers to ``digest``; raises `Unsupported` if the registry cannot without other tags."""
        if not self._with_referrers and await self._remove_alone(tag):
            return
        others = await self._kept_tags(digest)
        if others and self._with_referrers and await self._remove_alone(tag):
            return
        if others:
            shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            raise Unsupported(
                f"{self._writer.reference.registry} cannot delete a tag alone, and {shown} would go with it: it stays"
            )
        if self._with_referrers:
            await self._delete_referrers(digest, _MAX_DEPTH)
        await self._delete(str(digest))

    async def _remove_alone(self, tag: str) -> bool:
        """Delete a tag; return False if the registry does not support that."""
        if not self._can_remove_tags:
            return False
        try:
            await self._delete(tag)
        except RegistryError as error:
            if error.status not in _NO_DELETION and "UNSUPPORTED" not in error.codes:
                raise
            self._can_remove_tags = False
            return False
        return True

    async def _delete(self, name: str) -> None:
        """Delete a manifest, unless it is gone already."""
        try:
            await self._writer.delete_manifest(name)
        except NotFound:
            return
        except RegistryError as error:
            if error.status != 404:
                raise

    async def _kept_tags(self, digest: Digest) -> list[str]:
        """Return the tags that refer to a manifest and are not to be removed, without those that belong to it."""
        if self._digests is None:
            listed = await self._repository.tag_list()
            if listed.problem:
                raise InvalidContent(listed.problem)
            self._digests = dict.fromkeys(tag for tag in listed.tags if tag not in self._announced)
            known = self._digests

            async def look_up(tag: str) -> None:
                known[tag] = await self.digest_of(tag, digest.algorithm)

            await each(list(known), look_up, at_once=_TAGS_AT_ONCE)
        return sorted(tag for tag, found in self._digests.items() if found == digest)

    async def _delete_referrers(self, digest: Digest, depth: int) -> None:
        """Delete what refers to a manifest, those that nothing refers to first, and cosign's tags for it."""
        lister = ReferrerLister(self._repository)
        listed = await lister.referrers(digest)
        for one in (*listed, *await lister.cosign_tags(digest)):
            if depth and one.descriptor.digest != digest:
                await self._delete_referrers(one.descriptor.digest, depth - 1)
            await self._delete(str(one.descriptor.digest))
        if any(one.origin == "tag schema" for one in listed):
            tag = listed[0].tag
            index = await self._writer.head_manifest(tag)
            if index is not None and not await self._remove_alone(tag):
                await self._delete(str(index))


async def is_missing(reference: Reference, session: Session) -> bool:
    """Return whether a registry answers HEAD for a manifest with 404, and only with that.

    Raises the registry's errors: a refusal does not mean that something is missing.
    """
    from ..model import mediatype
    from .response_checks import closing

    what = f"looking for {reference.manifest_name} in {reference.name}"
    path = f"/v2/{reference.repository}/manifests/{reference.manifest_name}"

    async def once() -> bool:
        response = await session.request("HEAD", path, {"Accept": ", ".join(mediatype.ACCEPT)})
        async with closing(response):
            if response.status_code in (200, 404):
                return response.status_code == 404
            error: PyskopeoError = await session.response_error(response, b"", what)
            raise error

    return await session.retry(once, what)
