"""The flag --html: where the page goes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from pyskopeo.cli.flags import UsageError, parse
from pyskopeo.cli.html_flag import HTML, check_page, html_path, write_page
from pyskopeo.cli.verify_flags import JSON
from pyskopeo.errors import PyskopeoError


def path_of(*words: str) -> Path | None:
    return html_path(parse(words, (HTML, JSON))[0])


def test_the_flag_names_a_file() -> None:
    assert path_of() is None
    assert path_of("--html", "a.html") == Path("a.html")


@pytest.mark.parametrize("words", [("--html", ""), ("--html", "a.html", "--json")])
def test_what_makes_no_sense_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="--html"):
        path_of(*words)


def test_a_file_is_replaced_by_the_whole_page(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("old and longer than the new one")
    anyio.run(write_page, path, "<p>é</p>")
    assert path.read_text("utf-8") == "<p>é</p>"
    assert [file.name for file in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.parametrize("name", ["missing/a.html", "."])
def test_a_place_that_cannot_be_written_is_found_early(tmp_path: Path, name: str) -> None:
    with pytest.raises(PyskopeoError):
        check_page(tmp_path / name)
    check_page(tmp_path / "a.html")
    check_page(None)
    assert not list(tmp_path.iterdir())


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    anyio.run(write_page, Path("-"), "<p>é</p>")
    assert capfdbinary.readouterr().out == "<p>é</p>".encode()
