"""Rows that are redrawn, on terminals that change their width, and beside lines from other threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console
from rich.text import Text

from pyskopeo.cli.live_rows import LiveRows
from pyskopeo.cli.log import log
from tests.support.terminal import Screen


class Resizable:
    """A terminal, a console on it and the rows, drawn when a test says so."""

    def __init__(self, columns: int, monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
        monkeypatch.setattr(LiveRows, "_refresh_regularly", lambda _: None)
        self.screen = Screen(columns, lines)
        self.shown = ["one", "two", "three"]
        console = Console(file=self.screen, force_terminal=True, color_system=None, highlight=False)
        self.rows = LiveRows(console, lambda: Text("\n".join(row.ljust(self.rows.width, ".") for row in self.shown)))
        monkeypatch.setattr(self.rows, "_size", lambda: (self.screen.columns, self.screen.height))
        self.rows.start()

    def resize(self, columns: int, height: int | None = None) -> None:
        self.screen.resize(columns, height)
        self.rows.refresh()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Resizable]]:
    terminals: list[Resizable] = []

    def make(columns: int, lines: int = 30) -> Resizable:
        terminals.append(Resizable(columns, monkeypatch, lines))
        return terminals[-1]

    yield make
    for terminal in terminals:
        terminal.rows.stop()


@pytest.mark.parametrize(
    "widths", [(120, 70), (120, 60), (60, 200), (61, 57), (80, 40, 100, 30), (200, 30, 31, 29), (70, 20, 10)]
)
def test_a_resized_terminal_shows_each_row_once(made: Callable[..., Resizable], widths: tuple[int, ...]) -> None:
    """On a terminal whose screen is full, at the end of which the rows are."""
    first, *others = widths
    terminal = made(first)
    above = [f"line {number}" for number in range(40)]
    for line in above:
        terminal.rows.print(line)
    for columns in others:
        terminal.resize(columns)
        rows = terminal.screen.lines[-3:]
        assert [row.rstrip(".") for row in rows] == terminal.shown
        assert all(len(row) == terminal.rows.width < columns for row in rows)
        assert terminal.screen.lines[:-3] == above
    terminal.rows.stop()
    assert terminal.screen.lines == above


@pytest.mark.parametrize(("columns", "fewer"), [(200, 100), (160, 80), (120, 60), (80, 60)])
def test_rows_are_narrow_enough_for_a_terminal_that_is_divided_in_two(
    made: Callable[..., Resizable], columns: int, fewer: int
) -> None:
    terminal = made(columns)
    terminal.rows.refresh()
    before = terminal.screen.lines
    assert len(before[0]) == max(columns // 2, 60) - 3
    terminal.screen.resize(fewer)  # and has not been told yet
    assert terminal.screen.lines == before


def test_lines_are_printed_above_the_rows(made: Callable[..., Resizable]) -> None:
    terminal = made(80)
    for number in range(3):
        terminal.rows.print(f"line {number}")
        terminal.shown.append(f"row {number}")
        terminal.rows.refresh()
    log("warning", "a warning")  # of code that knows nothing of the rows
    terminal.rows.refresh()
    shown = [line.rstrip(".") for line in terminal.screen.lines]
    assert shown[:3] == ["line 0", "line 1", "line 2"]
    assert "a warning" in shown[3]
    assert shown[4:] == ["one", "two", "three", "row 0", "row 1", "row 2"]
    terminal.shown.clear()
    terminal.rows.refresh()
    assert len(terminal.screen.lines) == 4


def test_no_more_rows_than_the_terminal_is_high(made: Callable[..., Resizable]) -> None:
    terminal = made(80, lines=3)
    terminal.rows.refresh()
    assert [line.rstrip(".") for line in terminal.screen.lines] == ["one", "... and 2 more"]


def test_threads_do_not_draw_into_each_other(made: Callable[..., Resizable]) -> None:
    terminal = made(80)

    def draw() -> None:
        for _ in range(200):
            terminal.rows.refresh()

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(200):
        terminal.shown = ["row"] * (number % 5 + 1)
        terminal.rows.print(f"line {number}")
    terminal.rows.stop()
    for thread in threads:
        thread.join()
    assert terminal.screen.lines == [f"line {number}" for number in range(200)]


def test_nothing_is_drawn_after_the_end(made: Callable[..., Resizable]) -> None:
    terminal = made(80)
    terminal.rows.refresh()
    terminal.rows.stop()
    terminal.rows.refresh()
    terminal.rows.stop()
    assert terminal.screen.lines == []
    terminal.rows.print("last")
    assert terminal.screen.lines == ["last"]


def test_a_terminal_that_goes_away_is_no_error(made: Callable[..., Resizable], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = made(80)

    def gone(_: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(terminal.screen, "write", gone)
    terminal.rows.print("lost")
    terminal.rows.refresh()
    terminal.rows.stop()


@pytest.mark.parametrize(
    ("sizes", "has_been_told"),
    [
        (((80, 30), (80, 6), (80, 30)), True),
        (((80, 30), (80, 6), (80, 30)), False),  # the program sees only the last of the sizes
        (((80, 30), (60, 30), (75, 30), (50, 30), (90, 30), (40, 30), (80, 30)), True),
        (((80, 10), (57, 10), (80, 10)), False),
        (((80, 24), (80, 4), (80, 24), (40, 12), (80, 24)), True),
    ],
)
def test_no_row_is_left_behind_by_a_resized_terminal(
    made: Callable[..., Resizable], sizes: tuple[tuple[int, int], ...], *, has_been_told: bool
) -> None:
    (columns, lines), *others = sizes
    terminal = made(columns, lines)
    terminal.shown = [f"row {number}" for number in range(7)]
    terminal.rows.print("first")
    for columns, lines in others:
        terminal.screen.resize(columns, lines)
        if has_been_told:
            terminal.rows.refresh()
    terminal.rows.refresh()
    terminal.rows.print("last")
    terminal.rows.stop()
    assert terminal.screen.lines == ["first", "last"]


def test_a_terminal_that_is_lower_than_known(made: Callable[..., Resizable], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = made(80)
    terminal.shown = [f"row {number}" for number in range(7)]
    terminal.rows.print("first")
    monkeypatch.setattr(terminal.rows, "_size", lambda: (80, 30))
    for height in (4, 5, 30):
        terminal.screen.resize(80, height)
        terminal.rows.refresh()
    terminal.rows.stop()
    assert terminal.screen.lines == ["first"]


def test_a_terminal_that_cuts_rows(made: Callable[..., Resizable]) -> None:
    """As xterm and the console of Linux do when they become narrower: the lines above the rows stay."""
    terminal = made(120)
    terminal.rows.print("first")
    terminal.screen.columns = 40
    terminal.rows.refresh()
    assert [line.rstrip(".") for line in terminal.screen.lines] == ["first", *terminal.shown]
