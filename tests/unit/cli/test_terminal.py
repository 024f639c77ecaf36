"""Where bars are shown: on terminals that somebody looks at, not in what becomes a log."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Callable, Iterator

import pytest

from pyskopeo.cli.copy_bars import Bars
from pyskopeo.cli.progress import Lines, reporting


@pytest.fixture
def real_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, int], None]]:
    """A function that makes standard error a terminal of so many columns and lines."""
    ours, theirs = os.openpty()
    with open(theirs, "w") as stream:

        def use(columns: int, lines: int) -> None:
            termios.tcsetwinsize(theirs, (lines, columns))
            monkeypatch.setattr(sys, "stderr", stream)
            monkeypatch.setenv("TERM", "xterm")

        yield use
    os.close(ours)


@pytest.mark.parametrize(("columns", "lines", "bars"), [(80, 24, True), (0, 0, False), (80, 0, False), (0, 24, False)])
def test_a_terminal_of_no_size_gets_lines(
    real_terminal: Callable[[int, int], None], columns: int, lines: int, bars: bool
) -> None:
    """Programs that record what others print make such terminals, and their records would be full of bars."""
    real_terminal(columns, lines)
    with reporting("auto") as report:
        assert isinstance(report, Bars if bars else Lines)


@pytest.mark.parametrize(
    ("environ", "bars"),
    [
        ({"NIX_BUILD_TOP": "/build"}, False),
        ({"NIX_BUILD_TOP": "/build", "IN_NIX_SHELL": "impure"}, True),  # a terminal, and somebody who looks at it
        ({"IN_NIX_SHELL": "pure"}, True),
    ],
)
def test_the_log_of_a_nix_build_gets_lines(
    real_terminal: Callable[[int, int], None], environ: dict[str, str], bars: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_terminal(80, 24)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with reporting("auto") as report:
        assert isinstance(report, Bars if bars else Lines)
    with reporting("bars") as report:  # as asked for
        assert isinstance(report, Bars)
