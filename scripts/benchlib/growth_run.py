"""What ``scripts/bench --growth`` does with its options."""

from __future__ import annotations

import argparse
import compileall
import sys
from pathlib import Path

from tests.support.processes import PeerFailed

from . import growth_report as report
from .growth import choose_series, measure_growth
from .measure import RunError


def run_growth(options: argparse.Namespace) -> int:
    """Measure, print and save the results; return 1 if a limit is broken and ``--check`` is given, else 0."""
    # As installers do. Otherwise each run would compile the checkout again if Python cannot write there.
    compileall.compile_dir(Path(__file__).resolve().parents[2] / "pyskopeo", quiet=1)
    try:
        chosen = choose_series(options.only)
        results = measure_growth(options.cache.resolve(), options.pyskopeo, chosen, quick=options.quick)
    except KeyboardInterrupt:
        return 130
    except (PeerFailed, RunError, ValueError) as error:
        sys.exit(f"bench: {error}")
    print(report.text(results))
    if options.quick:
        print(report.QUICK)
    if options.save_markdown:
        options.save_markdown.write_text(report.markdown(results, quick=options.quick))
    if options.save_json:
        options.save_json.write_text(report.as_json(results, quick=options.quick))
    return 1 if options.check and not all(growth.in_limit for growth in results) else 0
