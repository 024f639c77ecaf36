"""The flag ``--html`` of the commands that can write what they find as a page, and the writing of that page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .flags import Flag, Parsed, UsageError
from .standard_streams import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

HTML = Flag("html", "write an HTML page to FILE, or with - to standard output, instead of text: one file that needs no "
            "network and no scripts", value="FILE", group="output")  # fmt: skip


def html_path(parsed: Parsed) -> Path | None:
    """Return the file that ``--html`` names, None without it; raises `UsageError` if it goes with ``--json``."""
    path = parsed.path("html")
    if path is None and "html" in parsed.given:
        raise UsageError("--html: want the name of a file, or - for standard output")
    if path is not None and parsed.get("json", bool):
        raise UsageError("--html and --json exclude each other")
    return path


def check_page(path: Path | None) -> None:
    """Find out, before any work is done, whether a page can be written; raises `StorageFailed`."""
    if path is not None:
        from ..storage.archive_output import check_output

        check_output(path, replace=True)


async def write_page(path: Path, html: str) -> None:
    """Write a page; a file has its name when it is complete, and replaces one that is there. Raises `StorageFailed`."""
    content = html.encode()
    if str(path) == "-":
        write_bytes(content)
        return
    from ..storage.archive_output import open_output, sink_for
    from ..streams.cancellation import run_in_thread

    def write() -> None:
        with open_output(path, replace=True) as (fd, shown):
            sink_for(fd, shown).write(memoryview(content))

    await run_in_thread(write)
