"""Links in documents lead somewhere, and ARCHITECTURE.md, SECURITY.md and the others name what there is."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path

import pytest

import pyskopeo

ROOT = Path(__file__).parents[2]
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
}


def test_every_test_that_security_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) > 20
    assert named <= TESTS


DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "integrations").rglob("*.md"))
)


def shown(path: Path) -> str:
    """The text of a document, without blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


@functools.cache
def anchors(path: Path) -> set[str]:
    """Those that GitHub, and our site, give the headings."""
    headings = re.findall(r"^#+ (.*)$", shown(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    wrong = []
    for link in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", shown(document)):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_table_has_a_head(document: Path) -> None:
    lines = ["", *shown(document).splitlines()]
    for before, line in itertools.pairwise(lines):
        if re.fullmatch(r"\|( ?:?-+:? ?\|)+", line):
            assert before.count("|") >= line.count("|"), line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    text = shown(document)
    paths = set(re.findall(r"`((?:pyskopeo|tests|scripts|docs|integrations|\.ci)/[\w./-]*)`", text))
    rooms = "|".join(path.name for path in (ROOT / "pyskopeo").iterdir() if path.is_dir())
    if document.parent == ROOT:
        paths |= {f"pyskopeo/{path}" for path in re.findall(rf"`((?:{rooms})/[\w./-]*)`", text)}
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_the_bazel_module_has_the_version_of_the_package() -> None:
    (version,) = re.findall(r'^    version = "(.*)",$', (ROOT / "integrations/bazel/MODULE.bazel").read_text(), re.MULTILINE)
    text = (ROOT / "docs/tasks/bazel.md").read_text()
    named = re.findall(r'bazel_dep\(name = "pyskopeo", version = "(.*?)"', text) + re.findall(r"pyskopeo-([\d.]+)\.pyz\"", text)
    assert {version, *named} == {pyskopeo.__version__}


def test_pictures_are_shown_and_load_nothing() -> None:
    pictures = [path for path in (ROOT / "docs" / "pictures").iterdir() if path.suffix in (".svg", ".png")]
    texts = [path.read_text() for path in DOCUMENTS]
    assert pictures
    for picture in pictures:
        assert any(f"pictures/{picture.name})" in text for text in texts), picture.name
        if picture.suffix == ".svg":
            links = set(re.findall(r"\w+://[^\"' )]+", picture.read_text()))
            assert links <= {"http://www.w3.org/2000/svg"} | {link for link in links if link.startswith("docker://")}
