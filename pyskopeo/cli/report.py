"""``pyskopeo report merge|show``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..http.printable import escaped_line
from .command import Command, CommandGroup
from .flags import Parsed, UsageError
from .html_flag import HTML
from .log import emit_notice, log
from .output_flags import OUTPUT
from .quantities import quantity
from .standard_streams import write_bytes

if TYPE_CHECKING:
    from ..syncing.report_file import RunReport
    from ..syncing.shards import Shard

_NAMED = 20  # missing shards that are named


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """The options of both commands. ``output`` is the file of the merged report or of a page, ``-`` standard output."""

    reports: tuple[Path, ...]
    output: Path | None

    @classmethod
    def of(cls, parsed: Parsed) -> ReportOptions:
        """Read the options; raises `UsageError`."""
        return cls(tuple(map(Path, parsed.arguments)), parsed.path("html"))

    @classmethod
    def merging(cls, parsed: Parsed) -> ReportOptions:
        """Read the options of ``report merge``; raises `UsageError`."""
        output = parsed.path("output")
        if output is None:
            raise UsageError("report merge: want --output FILE, or --output - for standard output")
        return cls(tuple(map(Path, parsed.arguments)), output)


def merge(options: ReportOptions) -> int:
    """Write one report of several; the exit code is that of all runs, and 1 if a shard has no report."""
    from ..syncing.report_file import merge_reports, missing_shards, read_report
    from .sync_files import run_report_bytes, write_run_report

    assert options.output is not None
    named = [(str(path), read_report(path)) for path in options.reports]
    merged = merge_reports(named)
    if missing := missing_shards([report for _, report in named]):
        log("error", _missing_line(missing))
        merged = merged.failed()
    if str(options.output) == "-":
        write_bytes(run_report_bytes(merged))
    else:
        write_run_report(options.output, merged)
    for line in _lines(merged):
        emit_notice(line)
    return merged.exit_code


def show(options: ReportOptions) -> int:
    """Print the failures and the totals of a report, or write it as a page; the exit code is that of the run."""
    from ..storage.output_file import replace_output
    from ..syncing.report_file import read_report
    from .sync_files import run_page_bytes

    (path,) = options.reports
    run = read_report(path)
    if options.output is None:
        for line in _lines(run):
            print(line)
        sys.stdout.flush()
    elif str(options.output) == "-":
        write_bytes(run_page_bytes(run))
    else:
        replace_output(options.output, run_page_bytes(run), f"writing {options.output}")
    return run.exit_code


def _lines(run: RunReport) -> Iterator[str]:
    """Yield a line for each image that was not copied, with the reason, and the totals."""
    from .sync_summary import totals_line

    for result in run.report.results:
        if result.status in ("failed", "skipped"):
            reason = escaped_line(result.error or "the run ended before")
            yield f"{result.status}  {escaped_line(result.image.destination)}: {reason}"
    yield totals_line(run.report)


def _missing_line(missing: list[Shard]) -> str:
    names = ", ".join(map(str, missing[:_NAMED])) + (" and others" if len(missing) > _NAMED else "")
    return f"no report of {quantity(len(missing), 'shard')}: {names}; run them again, then merge all reports"


COMMAND = CommandGroup(
    name="report",
    description="Merge and show the reports of sync.",
    commands=(
        Command(
            name="report merge",
            arguments="REPORT...",
            description=(
                "Write one report of several runs of sync: of the shards of one plan, or of runs of one source and\n"
                "destination, of which the results of the last one count. Prints the failures and the totals. The\n"
                "exit code is 0 if that of every run was, that of the runs which failed if it was the same, else 1;\n"
                "also 1 if the report of a shard is missing."
            ),
            examples=("pyskopeo report merge shard-1.json shard-2.json shard-3.json --output all.json",),
            flags=(OUTPUT,),
            read=ReportOptions.merging,
            run=merge,
            summary="Write one report of several runs",
        ),
        Command(
            name="report show",
            arguments="REPORT",
            description=(
                "Print the failures and the totals of a report of sync, or write it as a page. The exit code is that\n"
                "of the run."
            ),
            examples=("pyskopeo report show all.json", "pyskopeo report show --html all.html all.json"),
            flags=(HTML,),
            read=ReportOptions.of,
            run=show,
            summary="Print the summary of a report",
        ),
    ),
)
