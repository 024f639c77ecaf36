"""List, measure, verify and prune a content store (`Storage.store`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..access import Access
from ..storage.shared_files import RunFiles
from ..storage.store_contents import StoreContents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..model.stored_content import Pruning, StoredImage, StoreSize, StoreVerification


def list_store(root: Path) -> list[StoredImage]:
    """Return the images in the store's index.

    Raises `PathNotFound` for a path without a store, `InvalidContent` and `StorageFailed`.
    """
    return StoreContents(root).images()


def measure_store(root: Path) -> StoreSize:
    """Return how much is in the store; raises what `list_store` raises."""
    return StoreContents(root).measure()


async def verify_store(
    root: Path, *, remove: bool = True, access: Access | None = None, on_wait: Callable[[], None] | None = None
) -> StoreVerification:
    """Read every file of the store and compare it with its digest; with ``remove``, remove those that are wrong.

    ``access`` has the cache directory for the record of verified files; None is the user's own configuration.
    ``on_wait`` is called if copies use the store, and before anything is removed their end is waited for. Raises what
    `list_store` raises.
    """
    files = RunFiles((access or Access.from_environ()).storage.cache, linked=True)
    try:
        return await StoreContents(root).verify(files.verified, remove=remove, on_wait=on_wait)
    finally:
        files.save()


async def prune_store(
    root: Path, *, older_than: float | None = None, max_size: int | None = None, dry_run: bool = False,
    on_wait: Callable[[], None] | None = None,
) -> Pruning:  # fmt: skip
    """Remove what no copy needed for ``older_than`` seconds, then the least recently used over ``max_size`` bytes.

    Waits for copies that use the store, and calls ``on_wait`` before; nothing that they need is removed. Images that
    are incomplete afterwards lose their names. With ``dry_run`` nothing is removed. Raises what `list_store` raises.
    """
    return await StoreContents(root).prune(
        older_than=older_than, max_size=max_size, dry_run=dry_run, on_wait=on_wait
    )
