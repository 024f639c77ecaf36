"""The README is short, and leads to the tasks that it lists."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 200


def test_it_begins_with_the_two_commands() -> None:
    first, *_ = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    assert re.findall(r"^\$ (\S+)", first, re.MULTILINE) == ["scripts/demo", "scripts/test"]


def test_it_lists_tasks_and_shows_five() -> None:
    section = README.partition("## Tasks\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 14
    assert all(re.search(r"\]\(docs/(tasks|library)/[\w-]+\.md\)", row) for row in rows)
    assert len(re.findall(r"^### .*\n\n```console$", section, re.MULTILINE)) == 5


def test_the_start_page_has_the_same_tasks() -> None:
    start = (Path(__file__).parents[2] / "docs" / "index.md").read_text()
    section = README.partition("## Tasks\n")[2]
    for row in [line for line in section.splitlines() if line.startswith("| ")][1:15]:
        assert row.replace("](docs/", "](") in start
