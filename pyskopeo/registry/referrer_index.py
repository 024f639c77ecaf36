"""Add and remove entries of the index that lists what refers to a manifest, without losing those of other writers.

For registries without the referrers API (distribution specification 1.1, "Referrers Tag Schema").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
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


def addition_of_referrers(writer: RepositoryWriter, subject: Digest, descriptors: Iterable[Descriptor]) -> TaggedUpdate:
    """Return the change that lists manifests, which have been written, as referrers of ``subject``, by its tag.

    The descriptors are as `referrer_descriptor` makes them. Those that are listed stay, and nothing is written if all
    are listed. Use one change for all referrers of a manifest. Its methods raise what those of `TaggedUpdate` do, and
    `InvalidContent` if the tag is that of something else.
    """
    added = tuple(descriptors)
    return _change(writer, subject, lambda index: index.with_referrers(added))


def removal_of_referrers(writer: RepositoryWriter, subject: Digest, digests: Collection[Digest]) -> TaggedUpdate:
    """Return the change that removes entries from the list of what refers to ``subject``, if it has any of them.

    The list stays if it is empty then. Its methods raise what those of `addition_of_referrers` do.
    """
    removed = frozenset(map(str, digests))
    return _change(writer, subject, lambda index: index.without(removed))


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
