"""What ``scripts/bench --growth`` does with its options."""

from __future__ import annotations

import argparse
import compileall
import sys
from pathlib import Path

from tests.support.processes import PeerFailed

from . import growth_report as report
from .growth import choose_series, measure_growth
from .machine import describe_machine
from .measure import RunError
from .places import PLACES, PlaceError, directory
from .report import save_markdown

# Bytes: 5,000 images in the store and in a layout.
_NEEDED = 200 * 1024**2


def run_growth(options: argparse.Namespace) -> int:
    """Measure, print and save the results; return 1 if a limit is broken and ``--check`` is given, else 0."""
    # As installers do. Otherwise each run would compile the checkout again if Python cannot write there.
    compileall.compile_dir(Path(__file__).resolve().parents[2] / "pyskopeo", quiet=1)
    try:
        chosen = choose_series(options.only)
        options.cache.mkdir(parents=True, exist_ok=True)
        folder = directory(PLACES[options.on][0], options.cache.resolve(), needed=_NEEDED)
        results = measure_growth(folder, options.pyskopeo, chosen, quick=options.quick)
    except KeyboardInterrupt:
        return 130
    except (PeerFailed, RunError, PlaceError, ValueError) as error:
        sys.exit(f"bench: {error}")
    print(report.text(results))
    if options.quick:
        print(report.QUICK)
    machine = describe_machine()
    if options.save_markdown:
        save_markdown(options.save_markdown, report.markdown(results, machine, quick=options.quick), "growth")
    if options.save_json:
        options.save_json.write_text(report.as_json(results, machine, quick=options.quick))
    return 1 if options.check and not all(growth.in_limit for growth in results) else 0
