"""Signatures of images in registries, for a sync and for lock files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..storage.directory_files import SIGNATURE_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from ..access import Access
    from ..interfaces import ImageReference
    from ..model.digest import Digest
    from ..model.reference import Reference
    from ..model.signature import Signature

_HOLD_SIGNATURES = frozenset({"dir", "docker"})


def may_be_signed(source: ImageReference, destination: ImageReference, access: Access) -> bool:
    """Return whether an image may have signatures that a copy to ``destination`` takes along.

    Of places that have to be asked it is not known. Raises `InvalidInput` and `StorageFailed` for a configuration that
    cannot be used.
    """
    if destination.transport not in _HOLD_SIGNATURES:
        return False
    if source.transport == "docker" and source.reference is not None:
        return _may_have_signatures(source.reference, access)
    path: Path | None = getattr(source, "path", None)
    if source.transport != "dir" or path is None:
        return False
    try:
        return any(SIGNATURE_FILE.fullmatch(name) for name in os.listdir(path))
    except OSError:
        return False  # the copy will say what is wrong


def _may_have_signatures(reference: Reference, access: Access) -> bool:
    from ..registry.lookaside import local_path

    stores = access.signature_stores()
    if stores.uses_attachments(reference):
        return True
    base = stores.lookaside(reference)
    directory = local_path(base) if base else None
    if directory is None:
        return bool(base)
    image = directory / reference.repository
    try:
        return any(name.startswith(f"{image.name}@") for name in os.listdir(image.parent))
    except OSError:
        return False


async def read_stored_signatures(reference: Reference, digest: Digest, access: Access) -> tuple[Signature, ...]:
    """Return the signatures of a manifest of a registry's image; raises what `ImageSource.signatures` raises."""
    from ..registry.sessions import open_endpoints
    from ..registry.signature_places import read_signatures
    from ..storage.signature_files import LookasideFiles

    async with open_endpoints(reference, access) as endpoints:
        return await read_signatures(endpoints, digest, access, LookasideFiles(), required=True)
