"""The output of the commands that verify: a bar on a terminal, a line for each fault, a summary, or JSON."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import Offline
from ..http.printable import escaped_line
from .live_rows import LiveRows
from .log import emit_notice, log
from .quantities import quantity, size
from .terminal import has_cursor_control

if TYPE_CHECKING:
    from ..engine.verification import Advance
    from ..model.verification import Fault, VerificationReport
    from ..signatures.report import SignatureReport

_SHOWN_FAULTS, _SHOWN_FILES = 200, 10


@contextmanager
def verifying(label: str = "Verifying", *, quiet: bool = False) -> Iterator[Advance]:
    """Show a bar on a terminal while content is verified, or read for another purpose, which ``label`` names."""
    from ..engine.verification import ignore_advance

    if quiet or not has_cursor_control():
        yield ignore_advance
        return
    from rich.console import Console, Group

    from .bar_rows import total_rows
    from .throughput import Throughput

    console, throughput = Console(stderr=True, highlight=False), Throughput()
    progress = 0, 0

    def advance(done: int, total: int) -> None:
        nonlocal progress
        progress = min(done, total), total
        throughput.count(done)
        rows.start()  # not before the first call: an error comes without a bar

    rows = LiveRows(console, lambda: Group(*total_rows(console, rows.width, label, progress, throughput)))

    try:
        yield advance
    finally:
        rows.stop()


def print_report(
    report: VerificationReport, *, as_json: bool, signatures: SignatureReport | None = None
) -> int:
    """Print the result of a verification or a repair, and return the exit code: 1 if there are faults, 3 if a request
    would be needed for them and none is allowed. ``signatures`` were accepted; they are printed besides.

    Faults are lines on standard error. The report is printed to standard output as JSON with ``as_json``, and also if
    there are faults, unless standard output is a terminal.
    """
    if not as_json:
        for repair in report.repaired:
            digest = f" {repair.digest} from {repair.source}" if repair.digest else ""
            emit_notice(f"repaired {repair.what}{digest}")
        for fault in report.faults[:_SHOWN_FAULTS]:
            emit_notice(_line(fault))
        if (more := len(report.faults) - _SHOWN_FAULTS) > 0:
            emit_notice(f"and {more} more")
    if as_json or (report.faults and not sys.stdout.isatty()):
        print_json(report.to_json() | ({} if signatures is None else {"signatures": signatures.to_json()}))
    if not as_json and report.ok:
        if signatures is not None:
            from .signature_view import print_signatures

            print_signatures(signatures)
        print(f"{report.name}: {_summary(report)}: no faults{' left' if report.repaired else ''}")
        _print_notes(report)
    if report.ok:
        return 0
    kinds = Counter(fault.kind.value for fault in report.faults)
    counted = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    text = f"{report.name}: {quantity(len(report.faults), 'fault')} ({counted}) in {_summary(report)}"
    if report.offline:
        log("fatal", f"{text}; --offline allows no request. Missing: {', '.join(map(str, report.offline))}")
        return Offline.exit_code
    log("fatal", text)
    return 1


def print_json(document: Mapping[str, Any] | list[Any]) -> None:
    """Print a JSON document to standard output."""
    print(json.dumps(document, indent=4, ensure_ascii=False))


def _line(fault: Fault) -> str:
    subject = f"{fault.what} {fault.digest}" if fault.digest else fault.what
    names = f" of {', '.join(fault.needed_by)}" if fault.needed_by else ""
    return escaped_line(f"{fault.kind.value:<12}  {subject}{names}: {fault.message}")


def _summary(report: VerificationReport) -> str:
    return f"{quantity(report.images, 'image')}, {quantity(report.blobs, 'blob')}, {size(report.size)} verified"


def _print_notes(report: VerificationReport) -> None:
    if report.absent:
        print(f"{quantity(len(report.absent), 'image')} of a list missing as a whole, as --sparse accepts")
    if report.left_out:
        print(f"{quantity(len(report.left_out), 'layer')} missing, as --layers none accepts")
    if report.external:
        print(f"{quantity(len(report.external), 'blob')} stored elsewhere, at URLs of their own")
    if report.unneeded:
        total = size(sum(file.size for file in report.unneeded))
        removable = any(file.is_blob or file.is_leftover for file in report.unneeded)
        hint = " (layout gc removes blobs)" if removable and report.name.startswith("oci:") else ""
        print(f"{quantity(len(report.unneeded), 'file')} that no image needs, {total}{hint}:")
        for file in report.unneeded[:_SHOWN_FILES]:
            print(f"  {size(file.size):>10}  {file.path}")
        if (more := len(report.unneeded) - _SHOWN_FILES) > 0:
            print(f"  and {more} more")
