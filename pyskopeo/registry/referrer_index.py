"""Add and remove entries of the index that lists what refers to a manifest, without losing those of other writers.

For registries without the referrers API (distribution specification 1.1, "Referrers Tag Schema").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from ..model.referrer import referrers_tag
from ..model.referrer_index import ReferrerIndex
from .referrers import is_itself
from .tagged_update import TaggedUpdate

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .repository_writer import RepositoryWriter


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
    change = addition_of_referrers(writer, subject, tuple(descriptors))
    await change.write()
    await change.confirm()


def addition_of_referrers(writer: RepositoryWriter, subject: Digest, descriptors: Sequence[Descriptor]) -> TaggedUpdate:
    """Return the change that `add_referrers` makes, for callers that do something else while others are waited for."""
    return _change(writer, subject, lambda index: index.with_referrers(descriptors))


async def remove_referrers(writer: RepositoryWriter, subject: Digest, digests: Collection[Digest]) -> None:
    """Remove entries from the list of what refers to ``subject``; does nothing where there is none of them.

    The list stays if it is empty then. Raises what `add_referrers` raises.
    """
    removed = frozenset(map(str, digests))
    change = _change(writer, subject, lambda index: index.without(removed))
    await change.write()
    await change.confirm()


def _change(
    writer: RepositoryWriter, subject: Digest, change: Callable[[ReferrerIndex], ReferrerIndex]
) -> TaggedUpdate:
    tag = referrers_tag(subject)
    what = f"updating the list of referrers {writer.reference.name}:{tag}"

    async def update(raw: bytes | None) -> Manifest | None:
        known = raw is not None and not is_itself(raw, subject)
        index = ReferrerIndex.parse(raw, what) if known and raw is not None else ReferrerIndex.empty()
        changed = change(index)
        return None if changed is index else changed.to_manifest()

    return TaggedUpdate(writer, tag, update, what)
