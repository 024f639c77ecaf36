"""Changes of a registry's index: what each of its functions does to the names of one repository.

They are called by `RegistryIndex.change`, and return whether they changed anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DestinationRefused, NotFound
from ..model.descriptor import Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .registry_entries import RegistryEntry, Repository
    from .registry_index import RegistryIndex


class TagMoved(DestinationRefused):
    """Internal: a tag does not refer to the manifest that a condition names."""


def name_manifest(
    repository: str, manifest: Manifest, tags: tuple[str, ...],
    allowed: Callable[[Digest | None], bool] | None, index: RegistryIndex,
) -> bool:  # fmt: skip
    """Let ``tags`` refer to a manifest, or keep it by its digest; entries that are superfluous then are removed.

    ``allowed`` is that of `RegistryStorage.put_manifest`. Raises `TagMoved`.
    """
    found = index.get(repository)
    if allowed is not None:
        current = _current(found, manifest, tags)
        if not allowed(current):
            raise TagMoved(f"the tag refers to {current}" if current else "there is no such manifest")
    changed = False
    for tag in tags:
        old = found.tags.get(tag) if found is not None else None
        if old is not None and (old.digest, old.media_type) == (manifest.digest, manifest.media_type):
            continue
        if old is not None:
            _keep_untagged(index, old)
        index.set(repository, tag, manifest.descriptor)
        found, changed = index.get(repository), True
    if not tags and (found is None or found.entry_of(manifest.digest) is None):
        index.set(repository, str(manifest.digest), manifest.descriptor)
        found, changed = index.get(repository), True
    assert found is not None
    superfluous = [manifest.digest] if tags else []
    for digest in (*superfluous, *(one.digest for one in manifest.manifests)):
        if (entry := found.untagged.get(digest)) is not None:
            index.remove(entry)
            changed = True
    return changed


def _current(found: Repository | None, manifest: Manifest, tags: tuple[str, ...]) -> Digest | None:
    if found is None:
        return None
    if tags:
        entry = found.tags.get(tags[0])
        return None if entry is None else entry.digest
    return manifest.digest if found.entry_of(manifest.digest) else None


def _keep_untagged(index: RegistryIndex, old: RegistryEntry) -> None:
    """Keep a manifest by its digest that loses its only tag."""
    found = index.get(old.repository)
    if found is not None and found.count_of(old.digest) == 1:
        index.set(old.repository, str(old.digest), Descriptor(old.media_type, old.digest, old.size))


def remove_tag(repository: str, tag: str, index: RegistryIndex) -> bool:
    """Remove a tag; its manifest is kept by its digest. Raises `NotFound`."""
    found = index.get(repository)
    if found is None or (entry := found.tags.get(tag)) is None:
        raise NotFound(f"tag {tag} is not in this repository")
    _keep_untagged(index, entry)
    index.remove(entry)
    return True


def remove_manifest(repository: str, digest: Digest, index: RegistryIndex) -> bool:
    """Remove all entries of a manifest; raises `NotFound`."""
    found = index.get(repository)
    entries = [] if found is None else found.entries_of(digest)
    if not entries:
        raise NotFound(f"{digest} is not in this repository")
    for entry in entries:
        index.remove(entry)
    return True
