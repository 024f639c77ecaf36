"""List what is in bundles, and compare two of them, without reading blobs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.bundle_reports import BundleDifference, BundleSummary
from ..streams.cancellation import run_in_thread
from .part_names import find_files, is_part
from .reading import OpenBundle, open_bundles, read_contents

if TYPE_CHECKING:
    from ..model.bundle import BundleContents
    from ..model.digest import Digest


async def list_bundles(paths: Sequence[Path]) -> list[BundleSummary]:
    """Return what is in bundles, whose files are given; parts of one bundle are taken together.

    A path without a file stands for all parts beside it. Raises `PathNotFound`, `InvalidContent` for what is no bundle,
    damaged or of another version, `TooLarge` and `StorageFailed`.
    """
    return await run_in_thread(lambda: [summarize(bundle) for bundle in open_bundles(find_files(paths))])


async def compare_bundles(old: Path, new: Path) -> BundleDifference:
    """Return how two bundles differ; each is given by one of its files, or by the small file that stands for it.

    Raises what `list_bundles` raises.
    """
    before = await run_in_thread(partial(_contents, old))
    after = await run_in_thread(partial(_contents, new))
    return BundleDifference.of(before, after)


def summarize(bundle: OpenBundle) -> BundleSummary:
    """Return the summary of a bundle that is open."""
    return BundleSummary(
        bundle.digest, tuple(str(file.path) for file in bundle.files), bundle.contents, bundle.parts,
        bundle.missing_parts, len(bundle.signatures),
    )  # fmt: skip


def _contents(path: Path) -> tuple[Digest, BundleContents]:
    return read_contents(path if is_part(path) else find_files([path])[0])
