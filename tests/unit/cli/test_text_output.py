"""Lines for a terminal: as wide as it is, with colours only where they are wanted."""

from __future__ import annotations

import sys

import pytest

from pyskopeo.cli.text_output import Part, TextOutput, bar, columns, cut, minute, one_line
from tests.support.terminal import Terminal


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),  # two columns each
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),  # an accent has no column of its own
        ("abc", 0, ""),
    ],
)
def test_a_text_is_cut_at_a_width(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown
    assert columns(shown) <= width


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "    "), (1, "████"), (0.5, "██  "), (0.25 + 1 / 32, "█▏  "), (1e-9, "▏   "), (7, "████"), (-1, "    ")],
)
def test_a_bar_is_filled_by_its_share(share: float, shown: str) -> None:
    assert bar(share, 4) == shown


def test_a_line_fits_the_terminal() -> None:
    parts: tuple[Part, ...] = ("a" * 30, ("b" * 30, "strong"), "c" * 30)
    assert TextOutput(40).line(*parts) == f"{'a' * 30}{'b' * 9}…"
    assert TextOutput().line(*parts) == f"{'a' * 30}{'b' * 30}{'c' * 30}"
    assert TextOutput(40, color=True).line(*parts) == f"{'a' * 30}\x1b[1m{'b' * 9}…\x1b[0m"


def test_a_table_has_columns_as_wide_as_their_cells() -> None:
    lines = TextOutput(40).table(("TAG", "SIZE"), [("latest", "5 B"), ("1", "12 KiB")], frozenset({1}))
    assert list(lines) == ["TAG       SIZE", "latest     5 B", "1       12 KiB"]
    assert list(TextOutput().table(("TAG",), [], frozenset())) == ["TAG"]


def test_digests_are_short_on_a_terminal_only() -> None:
    digest = f"sha256:{'ab' * 32}"
    assert TextOutput(80).digest(digest) == "sha256:abababababab"
    assert TextOutput().digest(digest) == digest


@pytest.mark.parametrize(
    ("variables", "is_terminal", "color"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm"}, False, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    variables: dict[str, str], is_terminal: bool, color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if is_terminal:
        monkeypatch.setattr(sys, "stdout", Terminal())
    found = TextOutput.of_stdout()
    assert (found.color, found.width) == (color, 80 if is_terminal else None)


@pytest.mark.parametrize(
    ("time", "shown"),
    [("2024-02-03T04:05:06.789Z", "2024-02-03 04:05"), ("", ""), ("yesterday", ""), ("2024-02-30T00:00:00Z", "")],
)
def test_a_time_is_shown_to_the_minute(time: str, shown: str) -> None:
    assert minute(time) == shown


def test_a_text_of_an_image_is_one_printable_line() -> None:
    assert one_line("a\n\t b\x1b[2J\u202e") == "a b [2J"
