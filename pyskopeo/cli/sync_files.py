"""The files that ``sync`` writes besides images: the list of digests and the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..storage.output_file import check_output, replace_output, write_output

if TYPE_CHECKING:
    from ..syncing.report_file import RunReport
    from ..syncing.sync_request import SyncReport
    from .sync_options import SyncOptions


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


def write_report(options: SyncOptions, report: SyncReport, exit_code: int) -> None:
    """Write the report of a run to the file of ``--report``, see `write_run_report`. Raises `StorageFailed`."""
    from ..syncing.plan_options import PlanOptions
    from ..syncing.report_file import RunReport

    assert options.report is not None
    request, planned = options.request, options.planned
    run = RunReport(
        f"{request.source_transport}:{request.source}", f"{request.destination_transport}:{request.destination}",
        report, PlanOptions(request.selection, request.form, request.referrers).to_json(),
        "" if planned is None else planned.sha256, options.shard, request.dry_run, exit_code,
    )  # fmt: skip
    write_run_report(options.report, run)


def write_run_report(path: Path, run: RunReport) -> None:
    """Write a report as JSON, or as a page to a file whose name ends with .html. Raises `StorageFailed`."""
    replace_output(path, run_page_bytes(run) if is_page(path) else run_report_bytes(run), f"writing {path}")


def is_page(path: Path) -> bool:
    """Return whether a report is written as a page to a file of that name."""
    return path.suffix.lower() in (".html", ".htm")


def run_page_bytes(run: RunReport) -> bytes:
    """Return the content of the page of a report, with the time of now."""
    from datetime import UTC, datetime

    from .sync_page import sync_page

    finished = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return sync_page(run.source, run.destination, run.report, dry_run=run.dry_run, finished=finished).encode()


def run_report_bytes(run: RunReport) -> bytes:
    """Return the content of the file of a report."""
    return (json.dumps(run.to_json(), indent=2) + "\n").encode()
