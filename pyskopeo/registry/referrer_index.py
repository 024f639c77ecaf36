"""Add and remove entries of the index that lists what refers to a manifest, without losing those of other writers.

For registries without the referrers API (distribution specification 1.1, "Referrers Tag Schema").
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import RegistryError
from ..fast_dataclass import dataclass
from ..http.read_bounded import read_bounded
from ..model import mediatype
from ..model.referrer import referrers_tag
from ..model.referrer_index import ReferrerIndex
from ..model.strict_json import MANIFEST_LIMIT
from .response_checks import check_stated_digest, closing, read_error

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .repository_writer import RepositoryWriter

_ATTEMPTS = 10
# Another writer has changed the index since it was read (RFC 9110 section 15.5.13), or is changing it.
_CHANGED = frozenset({409, 412})
# Seconds before the index is read again: in that time writers that had read it earlier write it.
_LONGEST_WAIT, _SHORTEST_WAIT = 1.0, 0.01


@dataclass(frozen=True, slots=True)
class _Read:
    """The index as it was read: ``raw`` None if there is none, ``etag`` its entity tag, "" if none is known."""

    raw: bytes | None
    index: ReferrerIndex
    etag: str = ""

    @property
    def conditions(self) -> Mapping[str, str]:
        """The headers by which the index is replaced only if it is still this one (RFC 9110 section 13.1)."""
        if self.raw is None:
            return {"If-None-Match": "*"}
        # A weak entity tag never matches (RFC 9110 section 13.1.1).
        return {"If-Match": self.etag} if self.etag and not self.etag.startswith("W/") else {}


async def add_referrer(writer: RepositoryWriter, subject: Digest, descriptor: Descriptor) -> None:
    """Add one entry as `add_referrers` does."""
    await add_referrers(writer, subject, [descriptor])


async def add_referrers(writer: RepositoryWriter, subject: Digest, descriptors: Iterable[Descriptor]) -> None:
    """List manifests, which have been written, as referrers of ``subject``, by its tag; those that are listed stay.

    The descriptors are as `referrer_descriptor` makes them. Nothing is written if all are listed. The index is replaced
    under the condition that it has not changed, and read again afterwards, since registries may ignore conditions:
    what others have overwritten is added again. Use one call for all referrers of a manifest.

    Raises `NetworkError`, `InvalidContent` if the tag is that of something else, and `TooLarge`.
    """
    added = tuple(descriptors)
    await _update(writer, subject, lambda index: index.with_referrers(added))


async def remove_referrers(writer: RepositoryWriter, subject: Digest, digests: Collection[Digest]) -> None:
    """Remove entries from the list of what refers to ``subject``; does nothing where there is none of them.

    The list stays if it is empty then. Raises what `add_referrers` raises.
    """
    removed = frozenset(map(str, digests))
    await _update(writer, subject, lambda index: index.without(removed))


async def _update(
    writer: RepositoryWriter, subject: Digest, change: Callable[[ReferrerIndex], ReferrerIndex]
) -> None:
    tag = referrers_tag(subject)
    what = f"updating the list of referrers {writer.reference.name}:{tag}"
    conditional, before = True, None
    refusal: RegistryError | None = None
    for _ in range(_ATTEMPTS):
        started = time.monotonic()
        current = await _read(writer, tag, what)
        changed = change(current.index)
        if changed is current.index:
            return
        if refusal is not None and current == before:
            conditional = False  # it was refused although nothing had changed: this registry knows no conditions
        before, refusal = current, None
        conditions = current.conditions if conditional else {}
        try:
            await writer.put_manifest(tag, changed.to_manifest(), conditions)
        except RegistryError as error:
            if error.status not in _CHANGED:
                raise
            refusal = error
        await _wait_for_others(time.monotonic() - started)
    if refusal is not None:
        raise refusal
    raise RegistryError(f"{what}: others keep replacing it: try again later", status=409)


async def _wait_for_others(took: float) -> None:
    from anyio import sleep

    # Not always the same time, so that two writers do not stay in step.
    spread = 1.0 + int.from_bytes(os.urandom(2)) / 65536
    await sleep(min(_LONGEST_WAIT, max(_SHORTEST_WAIT, took)) * spread)


async def _read(writer: RepositoryWriter, tag: str, what: str) -> _Read:
    session, path = writer.session, f"/v2/{writer.reference.repository}/manifests/{tag}"

    async def once() -> tuple[bytes, str] | None:
        response = await session.request("GET", path, {"Accept": ", ".join(mediatype.ACCEPT)})
        if response.status_code == 404:
            await response.aclose()
            return None
        if response.status_code != 200:
            raise await read_error(session, response, what)
        async with closing(response):
            raw = await read_bounded(response, MANIFEST_LIMIT, what)
        check_stated_digest(response, raw, what)
        return raw, response.headers.get("etag", "")

    found = await session.retry(once, what)
    if found is None:
        return _Read(None, ReferrerIndex.empty())
    return _Read(found[0], ReferrerIndex.parse(found[0], what), found[1])
