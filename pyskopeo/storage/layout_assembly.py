"""Write an OCI layout from content that lies in other places: one image by its digest, or several layouts together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.verification import Advance, ignore_advance
from ..errors import ContentMismatch, InvalidContent, NotFound, PathNotFound
from ..model.events import Report, ignore
from ..model.layout import LayoutIndex
from ..model.layout_merge import merge_indexes
from .files import read_local_manifest, storage_errors
from .index_file import IndexFile
from .layout_completion import CompletionOptions, LayoutCompletion, layout_roots
from .layout_files import BLOBS, check_layout_directory
from .layout_writer import check_path
from .locks import locked
from .platform_entries import with_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.completion import CompletionReport
    from ..model.descriptor import Descriptor
    from .content_sources import ContentSource
    from .existing_blobs import ExistingBlobs


async def assemble_layout(
    root: Path, image: Descriptor, name: str, sources: Sequence[ContentSource], *,
    existing: ExistingBlobs, options: CompletionOptions, report: Report = ignore, advance: Advance = ignore_advance,
) -> CompletionReport:  # fmt: skip
    """Write an image, given by its descriptor, with all it needs into the layout in ``root``, and name it there.

    If something is missing in all ``sources``, it is reported, and nothing is written; if that turns out only when
    content is verified, the layout does not name the image. The size of ``image`` may be unknown. Raises
    `InvalidContent` if it is no manifest, `TooLarge` and `StorageFailed`.
    """
    check_path(root)
    completion = LayoutCompletion(root / BLOBS, sources, existing, options, report=report, advance=advance)
    roots = [(name or str(image.digest), image)]
    found = await completion.run(roots, write=False)
    if found.missing:
        return found
    _make_directory(root / BLOBS)
    async with locked(root / BLOBS, shared=True):
        found = await completion.run(roots)
        if found.missing:
            return found
        manifest = read_local_manifest(completion.path(image.digest), image.digest, image.media_type)
        if manifest is None:
            raise InvalidContent(f"{image.digest} is no manifest of an image, and no index")
        await IndexFile(root).put(with_platform(manifest, completion.path), name)
    return found


async def merge_layouts(
    root: Path, layouts: Sequence[tuple[Path, ContentSource]], *,
    existing: ExistingBlobs, options: CompletionOptions, report: Report = ignore, advance: Advance = ignore_advance,
) -> CompletionReport:  # fmt: skip
    """Write the entries of several layouts, and what these lead to, into the layout in ``root``, beside what is there.

    Each blob is taken from the first of the ``layouts`` where it is right. What all of them lack is reported, and is
    no error. Raises `PathNotFound` for a path without a layout, `DestinationRefused` for a name that refers to
    different images, `ContentMismatch` for content that is wrong wherever it is, `InvalidContent`, `TooLarge` and
    `StorageFailed`; the index of ``root`` is not changed then.
    """
    check_path(root)
    indexes = [_read_index(path) for path, _ in layouts]
    target = IndexFile(root)
    try:
        current = target.read()
    except NotFound:
        current = LayoutIndex.empty()
    merged = merge_indexes(current, indexes)  # refuses a merge before anything is written
    sources = [source for _, source in layouts]
    completion = LayoutCompletion(root / BLOBS, sources, existing, options, report=report, advance=advance)
    _make_directory(root / BLOBS)
    async with locked(root / BLOBS, shared=True):
        found = await completion.run(layout_roots(merged, "", str(root)))
        if found.missing and found.rejected:
            raise ContentMismatch(
                f"{len(found.missing)} of the blobs are wrong or missing in all layouts: {found.rejected[0]}",
                expected=str(found.missing[0].descriptor.digest), actual="other content",
            )  # fmt: skip
        await target.update(lambda index: merge_indexes(index, indexes))
    return found


def _read_index(path: Path) -> LayoutIndex:
    check_layout_directory(path)
    try:
        return IndexFile(path).read()
    except NotFound as error:
        raise PathNotFound(str(error)) from None


def _make_directory(path: Path) -> None:
    with storage_errors(f"creating {path}"):
        path.mkdir(parents=True, exist_ok=True)
