"""The files that ``sync`` writes besides images: the list of digests and the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StorageFailed
from ..storage.files import storage_errors

if TYPE_CHECKING:
    from ..syncing.sync_request import ImageResult, SyncReport, SyncRequest


def create_digest_file(path: Path) -> None:
    """Create the file, to find out before the copies whether it can be written; raises `StorageFailed`."""
    try:
        path.open("ab").close()
    except OSError as error:
        raise StorageFailed.of(error, f"Error creating digest file: open {path}") from error


def write_digests(path: Path, report: SyncReport) -> None:
    """Write a line ``DIGEST NAME`` for each image at the destination, in the order of the listing.

    Raises `StorageFailed`.
    """
    lines = [
        f"{result.digest} {result.image.destination}\n"
        for result in report.results if result.status in ("copied", "present")
    ]  # fmt: skip
    with storage_errors(f'Failed to write digest to file "{path}"'):
        path.write_text("".join(lines), "utf-8", "surrogateescape")


def write_report(path: Path, request: SyncRequest, report: SyncReport) -> None:
    """Write the report as JSON; sizes are in bytes, times in seconds. Raises `StorageFailed`."""
    document = {
        "version": 1,
        "source": f"{request.source_transport}:{request.source}",
        "destination": f"{request.destination_transport}:{request.destination}",
        "dryRun": request.dry_run,
        "seconds": report.seconds,
        "bytes": report.moved,
        "copied": report.count("copied"),
        "present": report.count("present"),
        "failed": report.count("failed"),
        "listingFailures": report.listing_failures,
        "images": [_image(result) for result in report.results],
    }
    with storage_errors(f"writing {path}"):
        path.write_text(json.dumps(document, indent=2) + "\n")


def _image(result: ImageResult) -> dict[str, Any]:
    return {
        "source": result.image.source,
        "destination": result.image.destination,
        "status": result.status,
        "digest": None if result.digest is None else str(result.digest),
        "bytes": result.moved,
        "seconds": result.seconds,
        "error": result.error or None,
    }
