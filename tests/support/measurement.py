"""Tests that are not measured for coverage, which takes two thirds more of a processor's time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unmeasured() -> Iterator[None]:
    """Measure no coverage in the body, nor of programs that are started there."""
    with processes_unmeasured() as removed:
        if not removed:  # nothing is measured in this run
            yield
            return
        from coverage import Coverage

        measuring = Coverage.current()
        if measuring is not None:
            measuring.stop()
        try:
            yield
        finally:
            if measuring is not None:
                measuring.start()


@contextmanager
def processes_unmeasured() -> Iterator[bool]:
    """Measure no coverage of programs that are started in the body: each takes two tenths of a second more for that.

    Yields whether it would be measured otherwise.
    """
    names = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
    removed = {name: value for name in names if (value := os.environ.pop(name, None)) is not None}
    try:
        yield bool(removed)
    finally:
        os.environ.update(removed)
