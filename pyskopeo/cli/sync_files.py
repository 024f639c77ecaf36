"""The files that ``sync`` writes besides images: the list of digests and the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..storage.output_file import check_output, write_output

if TYPE_CHECKING:
    from ..syncing.sync_request import ImageResult, SyncReport, SyncRequest


def create_digest_file(path: Path) -> None:
    """Create the file, to find out before the copies whether it can be written; raises `StorageFailed`."""
    check_output(path, f"Error creating digest file: open {path}")


def write_digests(path: Path, report: SyncReport) -> None:
    """Write a line ``DIGEST NAME`` for each image at the destination, in the order of the listing.

    Raises `StorageFailed`.
    """
    lines = [
        f"{result.digest} {result.image.destination}\n"
        for result in report.results if result.status in ("copied", "present")
    ]  # fmt: skip
    content = "".join(lines).encode("utf-8", "surrogateescape")
    write_output(path, content, f'Failed to write digest to file "{path}"')


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
        "deleted": report.count("deleted"),
        "failed": report.count("failed"),
        "listingFailures": report.listing_failures,
        "images": [_image(result) for result in report.results],
    }
    write_output(path, (json.dumps(document, indent=2) + "\n").encode(), f"writing {path}")


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
