"""Write the entry of a layout's ``index.json`` for an image again, as the image is elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, Offline, PathNotFound, PyskopeoError, TooLarge, Unsupported
from ..model import mediatype
from ..model.layout import INDEX_FILE
from ..model.verification import Repair
from .files import digest_name, storage_errors
from .index_file import IndexFile
from .locks import locked_if_possible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..interfaces import ImageSource
    from ..model.manifest import Manifest

# What an index that cannot be read is renamed to: somebody may still find out which other images it named.
BROKEN_INDEX = f"{INDEX_FILE}.broken"
_TYPES = frozenset({mediatype.OCI_MANIFEST, mediatype.OCI_INDEX})


async def repair_entry(
    root: Path, blobs: Path, name: str, sources: Sequence[tuple[str, ImageSource]]
) -> Repair | None:
    """Add the entry ``name`` to the index of the layout ``root`` if the index is missing or broken or has none.

    It refers to the image of the first of ``sources``, given with their image names, that has one. If only one image of
    a list is in the directory ``blobs``, it refers to that. An index that cannot be read is renamed. Returns None if
    there is nothing to repair. Raises `PathNotFound`, `InvalidContent` or `NotFound` if it cannot be repaired,
    `Offline` if a request would be needed, and `StorageFailed`.
    """
    index = IndexFile(root)
    try:
        index.read().find_positions(name, str(root))
    except (PathNotFound, TooLarge):  # there are several of that name; not what can be broken in a repairable way
        raise
    except (NotFound, InvalidContent) as error:
        problem = error
    else:
        return None
    if name.startswith("@"):  # a position
        raise problem
    reasons, offline = [], list[Offline]()
    for source_name, source in sources:
        try:
            manifest = await _wanted(source, blobs)
        except PyskopeoError as error:
            reasons.append(f"{source_name}: {error}")
            offline += [error] if isinstance(error, Offline) else []
            continue
        if isinstance(problem, InvalidContent):
            async with locked_if_possible(root):
                with storage_errors(f"renaming {root / INDEX_FILE}"):
                    os.replace(root / INDEX_FILE, root / BROKEN_INDEX)
        await index.update(lambda known: known.with_images({name: manifest}))  # noqa: B023 - called at once
        what = f"entry {name} of {INDEX_FILE}"
        if isinstance(problem, InvalidContent):
            what += f" (the index that could not be read is {BROKEN_INDEX} now)"
        return Repair(what, manifest.descriptor.size, source_name, manifest.digest)
    text = f"{problem}; not repaired: {'; '.join(reasons)}"
    if offline:
        raise Offline(text, missing=Offline.of(offline).missing)
    problem.args = (text, *problem.args[1:])
    raise problem


async def _wanted(source: ImageSource, blobs: Path) -> Manifest:
    """Return the manifest that the entry is to name; raises `Unsupported` for one that a copy would convert."""
    root = await source.manifest()
    if root.is_index and not (blobs / digest_name(root.digest)).exists():
        there = [child for child in root.manifests if (blobs / digest_name(child.digest)).exists()]
        if len(there) == 1:
            root = await source.manifest(there[0])
    if root.media_type not in _TYPES:
        raise Unsupported(f"its manifest is {root.media_type}, which is not what a copy to a layout has: copy it again")
    return root
