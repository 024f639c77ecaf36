"""The flag ``--receipt`` of the commands that copy images, and the file that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .flags import Flag

if TYPE_CHECKING:
    from ..engine.receipts import BlobRecord
    from ..model.events import Event, Report

RECEIPT = Flag("receipt", "write to PATH, as JSON, what was asked for and what was got: digests, sizes, and where each "
               "blob came from", value="PATH", group="output")  # fmt: skip


@contextmanager
def recording(path: Path | None, report: Report) -> Iterator[tuple[Report, BlobRecord | None]]:
    """Yield ``report``, and a record of its events for a receipt; without a ``path`` nothing is recorded.

    Raises `StorageFailed` if the file cannot be written.
    """
    if path is None:
        yield report, None
        return
    from ..engine.receipts import BlobRecord
    from ..storage.output_file import check_output

    check_output(path, _failure(path))
    record = BlobRecord()

    def both(event: Event) -> None:
        record(event)
        report(event)

    yield both, record


def write_receipt(path: Path, document: dict[str, Any]) -> None:
    """Write a receipt; raises `StorageFailed`."""
    from ..model.receipt import receipt_bytes
    from ..storage.output_file import write_output

    write_output(path, receipt_bytes(document), _failure(path))


def _failure(path: Path) -> str:
    return f'Failed to write the receipt to file "{path}"'
